// The mouse's panel: capture it.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { canCapture, capture } from "../mouse.js";
import { t } from "../words.js";
import { button, part } from "./parts.js";

export function build(element) {
  const start = button(t("mouse.capture"), capture, { id: "capture-mouse" });
  const note = h("p", { class: "note" });
  element.append(part("", start, note));
  kvm.on("status", () => {
    start.hidden = !canCapture();
    note.textContent = canCapture() ? t("mouse.capture_note") : t("mouse.none");
  });
}
