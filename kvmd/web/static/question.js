// A question before what cannot be undone.

import { $ } from "./dom.js";

// Ask, and tell whether the answer is yes; Escape is no.
// :param words: on the button that says yes
export function confirmed(question, words) {
  const dialog = $("question");
  $("question-words").textContent = question;
  $("question-yes").textContent = words.replace("…", "");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
