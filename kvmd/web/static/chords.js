// Chords: those that browsers and systems keep for themselves, and those that one makes; kept in this browser.

import { send } from "./input.js";
import { WINDOWS, kindOf } from "./keynames.js";
import { onPref, pref, setPref } from "./prefs.js";

const KEPT = "chords";
const ORDINARY = 6; // keys beside modifiers in one report of a keyboard
const LONGEST = 14; // with all modifiers
const MOST = 100; // chords of one's own

const chord = (keys) => keys.split(" ");
const sysrq = (letter) => ["AltLeft", "PrintScreen", `Key${letter}`];
const consoleOf = (number) => ["ControlLeft", "AltLeft", `F${number}`];

// By groups, whose names are words, as those of what a chord does are, where its keys do not say so:
// chords.system, chords.consoles, chords.sysrq; chords.sysrq_r and so on. Magic SysRq's keys go down in one report, in
// this order: Linux (drivers/tty/sysrq.c) acts on a letter while Alt and SysRq are down.
export const CHORDS = [
  {
    group: "system",
    chords: [
      "ControlLeft AltLeft Delete",
      "AltLeft Tab",
      "AltLeft F4",
      "ControlLeft KeyW",
      "ControlLeft ShiftLeft Escape",
      "ControlLeft Escape",
      "MetaLeft",
      "MetaLeft KeyL",
      "MetaLeft KeyR",
      "PrintScreen",
      "AltLeft PrintScreen",
      "ControlLeft AltLeft Backspace",
    ].map((keys) => ({ keys: chord(keys) })),
  },
  {
    group: "consoles",
    chords: Array.from({ length: 12 }, (_, index) => ({ keys: consoleOf(index + 1) })),
  },
  {
    group: "sysrq",
    chords: [..."REISUBO"].map((letter) => ({ keys: sysrq(letter), about: `chords.sysrq_${letter.toLowerCase()}` })),
  },
];

const SHORT = {
  Control: "Ctrl", Meta: "Meta", Alt: "Alt", Shift: "Shift", Delete: "Del", Escape: "Esc", PrintScreen: "PrtSc",
  Insert: "Ins", PageUp: "PgUp", PageDown: "PgDn", AltRight: "AltGr", Backquote: "`", Minus: "-", Equal: "=",
  BracketLeft: "[", BracketRight: "]", Backslash: "\\", Semicolon: ";", Quote: "'", Comma: ",", Period: ".", Slash: "/",
};

// What is printed on a key of a US keyboard.
function labelOf(code) {
  const bare = code.replace(/^(Key|Digit|Arrow)(?=.)/, "");
  if (Object.hasOwn(SHORT, code)) return SHORT[code];
  const kind = kindOf(code);
  if (kind) return SHORT[kind] + (code.endsWith("Right") ? " (right)" : "");
  return bare;
}

// Such as Ctrl+Alt+Del.
export const labelOfChord = (keys) => keys.map(labelOf).join("+");

// The keys go down together, and up.
export function sendChord(keys) {
  send("tap", { keys });
}

// Whether a keyboard can send it at once.
export function isChord(keys) {
  if (!Array.isArray(keys) || !keys.length || keys.length > LONGEST) return false;
  if (!keys.every((key) => /^[A-Z][A-Za-z0-9]{0,30}$/.test(key))) return false;
  return new Set(keys).size === keys.length && keys.filter((key) => !kindOf(key)).length <= ORDINARY;
}

// Those of one's own, in their order.
export function ownChords() {
  return pref(KEPT, []).filter(isChord);
}

// :return: whether it was added: it is a chord, it is not there yet, and there is room
export function addChord(keys) {
  const own = ownChords();
  if (!isChord(keys) || own.length >= MOST || own.some((each) => each.join() === keys.join())) return false;
  setPref(KEPT, [...own, keys]);
  return true;
}

export function removeChord(index) {
  setPref(KEPT, ownChords().filter((_, place) => place !== index));
}

// Put the chord at the one place to the other.
export function moveChord(from, to) {
  const own = ownChords();
  const [moved] = own.splice(from, 1);
  own.splice(to, 0, moved);
  setPref(KEPT, own);
}

export function onChords(act) {
  onPref(KEPT, act);
}

// Let a chord be pressed into an element that has the focus. Tab alone goes on to the next element, as ever.
// :param show: is called with the keys as they go down
// :return: a promise of the keys, once all are up again; of null where the focus has gone, or they are no chord
export function recordChord(element, show) {
  return new Promise((resolve) => {
    const keys = new Set();
    const down = new Set();
    const listeners = {
      keydown(event) {
        if (!event.code || (event.code === "Tab" && !down.size)) return;
        event.preventDefault();
        if (WINDOWS && event.code === "AltRight") for (const set of [keys, down]) set.delete("ControlLeft"); // AltGr's
        for (const set of [keys, down]) set.add(event.code);
        show([...keys]);
      },
      keyup({ code }) {
        if (code === "PrintScreen") keys.add(code); // Windows tells of no keydown
        down.delete(code);
        if (kindOf(code) === "Meta") down.clear(); // macOS tells of no other keyup
        if (!down.size && keys.size) end([...keys]);
      },
      blur: () => end(null),
    };
    const end = (result) => {
      for (const [name, act] of Object.entries(listeners)) element.removeEventListener(name, act);
      resolve(isChord(result) ? result : null);
    };
    for (const [name, act] of Object.entries(listeners)) element.addEventListener(name, act);
  });
}
