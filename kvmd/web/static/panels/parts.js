// What panels are made of.

import { h, icon } from "../dom.js";

// A part of a panel with its heading.
export function part(words, ...children) {
  return h("section", {}, words && h("h3", {}, words), ...children);
}

// A choice among options, each with its words.
export function choice(words, options, chosen, choose) {
  const select = h("select", { onchange: () => choose(select.value) });
  for (const [value, name] of Object.entries(options)) {
    select.append(h("option", { value, selected: value === String(chosen) }, name));
  }
  return h("label", {}, words, select);
}

// A field with its words.
export function field(words, attributes) {
  return h("label", {}, words, h("input", attributes));
}

export function button(words, act, { drawing, ...attributes } = {}) {
  return h("button", { type: "button", onclick: act, ...attributes }, drawing && icon(drawing), h("span", {}, words));
}

// A form that is folded until it is needed; `send` gets what was filled in.
export function folded(words, submit, send, ...fields) {
  const form = h("form", { class: "part" }, ...fields, h("button", { class: "main" }, submit));
  const details = h("details", {}, h("summary", {}, words), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await attempt(() => send(Object.fromEntries(new FormData(form)))))) return;
    form.reset();
    details.open = false;
  });
  return details;
}

// Tell what became of something, in the line below the screen.
export function tell(words, refused = false) {
  dispatchEvent(new CustomEvent("tell", { detail: { words, refused } }));
}

// Do it, and tell why where it is refused; tell whether it was done.
export async function attempt(act) {
  try {
    await act();
    return true;
  } catch (error) {
    tell(error.message, true);
    return false;
  }
}
