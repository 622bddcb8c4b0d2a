// The mouse's panel: capture it.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { canCapture, capture } from "../mouse.js";
import { t } from "../words.js";

export function build(element) {
  const button = h("button", { type: "button", id: "capture-mouse", onclick: capture }, t("mouse.capture"));
  const note = h("p", { class: "note" });
  element.append(h("section", {}, button, note));
  kvm.on("status", () => {
    button.hidden = !canCapture();
    note.textContent = canCapture() ? t("mouse.capture_note") : t("mouse.none");
  });
}
