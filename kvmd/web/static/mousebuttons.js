// The mouse's buttons below the screen, for fingers: each is down for as long as a finger is on it.

import { h } from "./dom.js";
import { canPoint, click, hold } from "./pointer.js";
import { onPref, pref, setPref } from "./prefs.js";
import { kvm } from "./kvm.js";
import { t } from "./words.js";

const BUTTONS = ["left", "middle", "right"];
const ENDS = ["pointerup", "pointercancel", "lostpointercapture"];

function mouseButton(name) {
  const element = h("button", { type: "button", "data-button": name }, t(`touch.${name}`));
  const holder = `button ${name}`;
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    hold(holder, [name]);
  });
  for (const end of ENDS) element.addEventListener(end, () => hold(holder, []));
  // By a key, or by a reader of screens, which have no pointer.
  element.addEventListener("click", ({ detail }) => detail === 0 && click(name));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  return element;
}

function trackpadButton() {
  const toggle = () => setPref("trackpad", !pref("trackpad", false));
  const element = h("button", { type: "button", id: "trackpad", onclick: toggle }, t("touch.trackpad"));
  const show = () => element.setAttribute("aria-pressed", String(pref("trackpad", false)));
  onPref("trackpad", show);
  show();
  return element;
}

export function attachMouseButtons(screen) {
  const row = h("div", { id: "mouse-buttons", role: "group", "aria-label": t("touch.buttons") });
  row.append(...BUTTONS.map(mouseButton), trackpadButton());
  // The screen, or the field that is written into, keeps the focus.
  row.addEventListener("mousedown", (event) => event.preventDefault());
  screen.after(row);
  const show = () => (row.hidden = !canPoint());
  kvm.on("status", show);
  kvm.on("me", show);
}
