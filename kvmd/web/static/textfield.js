// A field for what comes without keys: keyboards on the screens of phones, input methods, dictation. What is written
// into it is typed, and what is deleted from it is deleted.

import { noteTyped, tap } from "./held.js";
import { mayType } from "./input.js";
import { borrowed, isOurs } from "./keyboard.js";
import { claimsOf, keyOf, keyWith, kindOf } from "./keynames.js";

// The field is never empty, as keyboards of phones tell of no Backspace in one that is (noVNC: the same).
const GUARD = "_".repeat(32);
const LONGEST = 500; // characters, after which it begins anew
const MODES = ["autocapitalize", "autocomplete", "autocorrect"];

// Where the letters of an input method become others, it has to come to its end before they are typed.
const CONVERTS = /^(ja|ko|zh)\b/;
const AS_IT_COMES = /^[\p{Script=Latin}\p{M}\p{N}\p{P}\p{S}\s]*$/u;

const converts = () => navigator.languages.some((tag) => CONVERTS.test(tag));

// :param type: is given a text to type; a new line in it is Enter
export function attachTextField(field, type) {
  let known = GUARD; // what of its value the computer has
  let isComposing = false;

  function reset() {
    field.value = known = GUARD;
  }

  // Of a text that differs somewhere, the rest is deleted and typed anew, as one would by hand.
  function sync() {
    if (!mayType()) return reset();
    const [before, after] = [[...known], [...field.value]];
    const same = before.findIndex((character, place) => character !== after[place]);
    const start = same < 0 ? before.length : same;
    const text = after.slice(start).join("");
    if (isComposing && (converts() || !AS_IT_COMES.test(text))) return;
    for (let rest = before.length - start; rest > 0; rest--) tap(["Backspace"]);
    if (text) write(text);
    known = field.value;
    const isOver = known.length > LONGEST || known.length < GUARD.length / 2 || text.endsWith("\n");
    if (isOver && !isComposing) reset();
  }

  function write(text) {
    noteTyped();
    type(text);
  }

  // Keys that write nothing, and chords; all else comes as a text.
  function press(event) {
    if (!mayType() || !isOurs(event)) return;
    const { Control, Alt, Meta, AltGraph } = claimsOf(event);
    const named = event.key === " " ? undefined : keyOf(event.key, event.location);
    const key = named ?? ((Control || Alt || Meta) && !AltGraph ? keyWith(event.key) : undefined);
    if (!key || kindOf(key) || key === "CapsLock") return;
    event.preventDefault();
    tap([...borrowed(event), key]);
    if (key === "Enter") reset();
  }

  function compose(event) {
    isComposing = event.type === "compositionstart";
    if (!isComposing) sync();
  }

  for (const name of MODES) field.setAttribute(name, "off");
  field.spellcheck = false;
  field.addEventListener("keydown", press);
  field.addEventListener("input", sync);
  for (const name of ["compositionstart", "compositionend"]) field.addEventListener(name, compose);
  for (const name of ["focus", "blur"]) field.addEventListener(name, reset);
  field.addEventListener("focus", () => field.setSelectionRange(GUARD.length, GUARD.length));
  reset();
}
