// The mouse's panel: how it points and turns, in this browser; capturing it; the jiggler.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { canCapture, capture } from "../mouse.js";
import { canPoint, hasBoth } from "../pointer.js";
import { pref, setPref } from "../prefs.js";
import { t } from "../words.js";
import { button, choice, field, part } from "./parts.js";

const WAITS = [30, 60, 120, 300]; // seconds without a key or a move

// A speed between a quarter and four times the usual, in steps that are felt alike.
function speed(name) {
  const value = h("output", {}, `${pref(name, 1)}×`);
  const change = ({ target }) => {
    setPref(name, Number((2 ** target.value).toFixed(2)));
    value.textContent = `${pref(name, 1)}×`;
  };
  const words = h("span", { class: "row" }, t(`mouse.${name}`), value);
  const range = { type: "range", name, min: -2, max: 2, step: 0.25, value: Math.log2(pref(name, 1)), oninput: change };
  return field(words, range);
}

function check(name) {
  const change = ({ target }) => setPref(name, target.checked);
  const box = h("input", { type: "checkbox", name, checked: pref(name, false), onchange: change });
  return h("label", { class: "check" }, box, t(`mouse.${name}`));
}

function pick(name, values, fallback) {
  const options = Object.fromEntries(values.map((value) => [value, t(`mouse.${name}.${value}`)]));
  return choice(t(`mouse.${name}`), options, pref(name, fallback), (value) => setPref(name, value));
}

function jiggler() {
  const waits = { 0: t("mouse.jiggle.off") };
  for (const seconds of WAITS) waits[seconds] = t("mouse.jiggle.after", { seconds });
  return part(
    t("mouse.jiggler"),
    choice(t("mouse.jiggle"), waits, pref("jiggle", 0), (seconds) => setPref("jiggle", Number(seconds))),
    h("p", { class: "note" }, t("mouse.jiggle_note")),
  );
}

export function build(element) {
  const start = button(t("mouse.capture"), capture, { id: "capture-mouse" });
  const note = h("p", { class: "note" });
  const mode = pick("mouse_mode", ["absolute", "relative"], "absolute");
  const options = h(
    "div",
    { class: "options" },
    part("", mode, pick("pointer", ["crosshair", "arrow", "hidden"], "crosshair"), speed("mouse_speed")),
    part(t("mouse.wheel"), speed("scroll_speed"), check("scroll_reverse")),
    part(t("mouse.fingers"), check("trackpad"), h("p", { class: "note" }, t("touch.note"))),
    jiggler(),
  );
  element.append(part("", start, note), options);
  kvm.on("status", () => {
    start.hidden = !canCapture() || !document.body.requestPointerLock;
    mode.hidden = !hasBoth();
    options.hidden = !canPoint();
    note.textContent = canCapture() ? t("mouse.capture_note") : canPoint() ? "" : t("mouse.none");
  });
}
