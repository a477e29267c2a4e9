for (const name of ["localStorage", "sessionStorage"]) {
  const kept = new Map();
  const storage = {
    getItem: (key) => (kept.has(String(key)) ? kept.get(String(key)) : null),
    setItem: (key, value) => void kept.set(String(key), String(value)),
    removeItem: (key) => void kept.delete(String(key)),
    clear: () => kept.clear(),
    key: (index) => [...kept.keys()][index] ?? null,
    get length() { return kept.size; },
  };
  Object.defineProperty(window, name, { value: storage, configurable: true });
}
Object.defineProperty(document, "cookie", { get: () => "", set: () => {}, configurable: true });
