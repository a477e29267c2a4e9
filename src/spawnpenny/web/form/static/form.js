// The form works without this: style hides what does not apply, and the service checks everything.
// It keeps the browser from checking and sending what does not apply, and has it check what does.
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
  form.addEventListener("change", update);
  window.addEventListener("pageshow", update);
  update();
})();
