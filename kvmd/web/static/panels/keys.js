// The keys' panel: what browsers and systems keep for themselves, chords of one's own, and a field for what has no keys.

import { CHORDS, addChord, labelOfChord, moveChord, onChords, ownChords, recordChord, removeChord, sendChord } from "../chords.js";
import { $, h } from "../dom.js";
import { swapIso } from "../keyboard.js";
import { pref, setPref } from "../prefs.js";
import { attachTextField } from "../textfield.js";
import { typeText } from "../texts.js";
import { t } from "../words.js";
import { button, part, tell } from "./parts.js";

export function build(element) {
  element.append(...CHORDS.map(group), own(), soft(), iso());
}

function group({ group: name, chords }) {
  return part(t(`chords.${name}`), h("div", { class: "grid" }, chords.map(chordButton)));
}

// It sends the chord, and gives the focus back to the screen.
function chordButton({ keys, about }) {
  const act = () => {
    sendChord(keys);
    $("screen").focus();
  };
  return button(breakable(labelOfChord(keys)), act, { title: about && t(about) });
}

// A label that is too long goes on after a plus.
const breakable = (label) => label.split("+").flatMap((part, place) => (place ? ["+", h("wbr"), part] : [part]));

function own() {
  const list = h("ul", { class: "list" });
  const show = () => list.replaceChildren(...ownChords().map(entry));
  onChords(show);
  show();
  return part(t("chords.own"), list, recorder());
}

function entry(keys, index) {
  const label = labelOfChord(keys);
  const named = (name) => ({ class: "quiet", "aria-label": t(name, { label }), title: t(name, { label }) });
  const up = button("", () => moveChord(index, index - 1), { drawing: "up", ...named("chords.up") });
  up.disabled = index === 0;
  const gone = button("", () => removeChord(index), { drawing: "bin", ...named("chords.remove") });
  return h("li", {}, chordButton({ keys }), h("span", {}, up, gone));
}

function recorder() {
  const record = button(t("chords.record"), async () => {
    const words = record.lastChild;
    words.textContent = t("chords.press");
    const keys = await recordChord(record, (down) => (words.textContent = labelOfChord(down)));
    words.textContent = t("chords.record");
    if (keys && !addChord(keys)) tell(t("chords.not_added"), true);
  });
  return record;
}

function soft() {
  const field = h("textarea", { id: "type-here", rows: 1 });
  attachTextField(field, typeText);
  return part("", h("label", {}, t("keys.type_here"), field), h("p", { class: "note" }, t("keys.type_here_note")));
}

function iso() {
  const box = h("input", { type: "checkbox", checked: pref("swapIso", false) });
  box.addEventListener("change", () => {
    setPref("swapIso", box.checked);
    swapIso(box.checked);
  });
  return h("label", { class: "check" }, box, t("keys.swap_iso"));
}
