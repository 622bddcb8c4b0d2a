// A tool of the bar: a drawing with its name, which a narrow bar leaves out.

import { h, icon } from "./dom.js";

// :param words: what it is called, and shown as where no `title` says more
export function tool(drawing, words, act, attributes) {
  const name = h("span", { class: "name" }, words);
  return h("button", { type: "button", class: "tool", title: words, onclick: act, ...attributes }, icon(drawing), name);
}
