// The form works without this script: CSS hides fields that do not apply, and the service checks everything.
// The script keeps the browser from checking and sending such fields, and lets it check the others.
(() => {
  const form = document.currentScript.closest(".spawnpenny-form");
  const applies = (part) => {
    const select = part.parentElement.querySelector(":scope > select");
    const radio = part.parentElement.querySelector(":scope > input[type=radio]");
    if (select) return select.value === "unlisted-choice";
    return !radio || radio.checked;
  };
  const update = () => {
    for (const part of form.querySelectorAll(".spawnpenny-further, .spawnpenny-text")) part.disabled = !applies(part);
  };
  for (const input of form.querySelectorAll(".spawnpenny-text input")) {
    input.required = true;
    if (input.dataset.pattern) input.pattern = input.dataset.pattern;
  }
  for (const input of form.querySelectorAll("input[type=number]")) {
    const { min, max, step } = input.dataset;
    Object.assign(input, { min, max, step, required: true });
  }
  form.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
})();
