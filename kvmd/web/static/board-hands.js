// What the keys of the on-screen keyboard do: a tap is one, a long press holds; a modifier stays for one key, and until
// it is tapped again where it was tapped twice.

import { hear, heldKeys, hold, isHeld, letGo, tap } from "./held.js";
import { kindOf } from "./keynames.js";

const HOLD_AFTER = 350; // ms
const TWICE_WITHIN = 400; // ms
const HEAR_EVERY = 1000; // ms; what is shown to be down is known to be

const fingers = new Map(); // by what presses: {code, when, timer, isDone, isKept, isNew, isUsed}
const modifiers = new Map(); // that are down, by their code: {when, isLocked}
let changed = () => {};

const signOf = (code) => `board ${code}`;
const isUnderFinger = (code) => [...fingers.values()].some((finger) => finger.code === code);

export const isLocked = (code) => Boolean(modifiers.get(code)?.isLocked);

function goDown(code) {
  hold({ code: signOf(code), timeStamp: performance.now(), getModifierState: () => false }, [code]);
}

function goUp(code) {
  modifiers.delete(code);
  letGo((_, sign) => sign === signOf(code));
}

// :param by: a pointer's id, or what else presses
// :param within: ms in which a second tap is one of two
export function press(code, by, within = TWICE_WITHIN) {
  for (const finger of fingers.values()) strike(finger); // in the order in which they went down
  const finger = { code, when: performance.now() };
  fingers.set(by, finger);
  if (kindOf(code)) pressModifier(finger, within);
  else if (!code.endsWith("Lock")) finger.timer = setTimeout(keep, HOLD_AFTER, finger);
}

export function lift(by) {
  const finger = fingers.get(by);
  if (!finger) return;
  fingers.delete(by);
  if (kindOf(finger.code)) return liftModifier(finger);
  strike(finger);
  if (!finger.isKept) return;
  goUp(finger.code);
  afterKey();
}

// What was pressed was no key's press after all, such as where the browser takes the finger for something else.
export function abandon(by) {
  const finger = fingers.get(by);
  if (finger && !kindOf(finger.code)) clearTimeout(finger.timer);
  if (finger && !finger.isKept && !kindOf(finger.code)) finger.isDone = true;
  lift(by);
}

function strike(finger) {
  if (finger.isDone || kindOf(finger.code)) return;
  finger.isDone = true;
  clearTimeout(finger.timer);
  tap([finger.code]);
  afterKey();
}

function keep(finger) {
  finger.isDone = finger.isKept = true;
  goDown(finger.code);
}

// Modifiers that stay for one key have had it; one that a finger is on goes up with the finger.
function afterKey() {
  for (const finger of fingers.values()) finger.isUsed = true;
  for (const [code, modifier] of modifiers) if (!modifier.isLocked && !isUnderFinger(code)) goUp(code);
}

function pressModifier(finger, within) {
  const { code, when } = finger;
  const known = modifiers.get(code);
  if (known?.isLocked || (known && when - known.when > within)) return goUp(code);
  finger.isNew = !known;
  modifiers.set(code, { when, isLocked: Boolean(known) });
  if (!known) goDown(code);
  changed();
}

function liftModifier({ code, when, isNew, isUsed }) {
  const isLong = performance.now() - when > HOLD_AFTER;
  if (isNew && !isLocked(code) && (isUsed || isLong)) goUp(code);
}

// Let go of all that is down because of this keyboard.
export function releaseBoard() {
  for (const { timer } of fingers.values()) clearTimeout(timer);
  fingers.clear();
  modifiers.clear();
  letGo((_, sign) => sign.startsWith(signOf("")));
  changed();
}

// What was let go elsewhere is down no more.
function look() {
  for (const code of modifiers.keys()) if (!isHeld(signOf(code))) modifiers.delete(code);
  for (const [by, { isKept, code }] of fingers) if (isKept && !isHeld(signOf(code))) fingers.delete(by);
  changed();
}

// :param act: is called when what is down changes
export function attachHands(act) {
  changed = act;
  heldKeys.addEventListener("change", look);
  setInterval(() => {
    const kept = [...fingers.values()].filter(({ isKept }) => isKept);
    for (const code of [...modifiers.keys(), ...kept.map((finger) => finger.code)]) hear(signOf(code));
  }, HEAR_EVERY);
  addEventListener("blur", releaseBoard);
  document.addEventListener("visibilitychange", releaseBoard);
}
