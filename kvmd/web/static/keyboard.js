// Keys: what is pressed while the screen has the focus is pressed on the computer. The browsers of each system tell
// some of it in ways of their own: docs/console.md, "Keys", has which, and where that is known from.

import {
  codesHeld, deny, forgetKeys as forgetHeld, hear, hold, isDown, isHeld, letGo, noteTyped, releaseKeys as releaseHeld,
  renewKeys, tap, typedLately, watchKeys,
} from "./held.js";
import { mayType } from "./input.js";
import { APPLE, NOT_OURS, WINDOWS, claimsOf, isModeKey, keyOf, keyWith, kindOf } from "./keynames.js";

export { renewKeys, typedLately };

const ALTGR_WITHIN = 50; // ms from the ControlLeft that Windows makes up to its AltRight
const AUTOREPEAT = 80; // ms; what follows faster is no finger's
const PASTE_WITHIN = 300; // ms for the browser to hand over what it has to paste

let screen;
let hooks = {};
let isSwapped = false;
let armed = null; // Windows: a ControlLeft that may be AltGr's
let tapped = { code: "", when: -Infinity };
let isLeaving = false; // Ctrl and Alt are down, and nothing else was since
let paste = 0; // the timer of one that was asked for

function press(event) {
  if (!mayType() || !isOurs(event) || !document.hasFocus()) return;
  if (hooks.paste && isPaste(event)) return askPaste(event);
  event.preventDefault();
  settle(event);
  deny(event);
  if (!event.repeat) isLeaving = false;
  const key = find(event);
  if (!key) return type(event);
  if (!event.code || isTap(event)) return strike(event, key);
  if (event.repeat) return hear(event.code);
  if (WINDOWS && key === "ControlLeft") return arm(event);
  if (kindOf(key) === "Meta") letGo(({ kind }) => !kind);
  take(event, key);
}

function lift(event) {
  if (!mayType() || !isOurs(event)) return;
  event.preventDefault();
  settle();
  if (APPLE && event.code === "CapsLock") return strike(event, "CapsLock");
  if (WINDOWS && event.code === "PrintScreen" && !isHeld(event.code)) return strike(event, "PrintScreen");
  const isMeta = kindOf(find(event) ?? "") === "Meta";
  letGo(({ kind }, code) => code === event.code || (isMeta && !kind));
  deny(event);
  if (isLeaving && !codesHeld().length) leave();
}

// Not what fills in forms, which has no key, nor what an input method is about to make a text of.
export function isOurs(event) {
  return event.key !== undefined && !event.isComposing && !(event.keyCode === 229 && !event.code);
}

// The key to press: by its place on the keyboard, and by its name where there is no place, or where Caps Lock was made
// another key. A modifier without a place goes along with what it modifies.
function find({ code, key, location }) {
  if (NOT_OURS.has(code)) return undefined;
  if (code.startsWith("OS")) return code.replace("OS", "Meta"); // Firefox before 118
  const named = keyOf(key, location);
  if (!code) return named && !kindOf(named) ? named : undefined;
  if (code === "CapsLock" && (named || NOT_OURS.has(key))) return named;
  if (isSwapped && code === "IntlBackslash") return "Backquote";
  return isSwapped && code === "Backquote" ? "IntlBackslash" : code;
}

// What has a character and no place, of phones and of programs that type: a text, or with Ctrl and the like a chord.
function type(event) {
  const { code, key } = event;
  if (code || [...key].length !== 1) return;
  const { Control, Alt, Meta, AltGraph } = claimsOf(event);
  const place = (Control || Alt || Meta) && !AltGraph && keyWith(key);
  if (place) return tap([...borrowed(event), place]);
  noteTyped();
  hooks.type?.(key);
}

// What may send no keyup: keys of input methods, Apple's Caps Lock, and what goes down while Command is.
function isTap(event) {
  const isApples = APPLE && (event.metaKey || event.code === "CapsLock");
  return isModeKey(event) || (isApples && !kindOf(event.code));
}

// For browsers, the second press of a key without keyup is a repeat; one that stays down repeats faster than a finger.
function strike(event, key) {
  const isFast = event.code === tapped.code && event.timeStamp - tapped.when < AUTOREPEAT;
  tapped = { code: event.code, when: event.timeStamp };
  if (isFast && event.repeat && isModeKey(event)) return;
  tap([...borrowed(event), key], event.code);
}

// One that is down still went up unseen. Where a system takes what goes with Meta, it keeps the keyup: so that ordinary
// keys go up when Meta goes down, and when it goes up.
function take(event, key) {
  letGo((_, code) => code === event.code);
  hold(event, kindOf(key) ? [key] : [...borrowed(event), key]);
  isLeaving = codesHeld().sort().join() === "AltLeft,ControlLeft";
}

// What an event claims to be down that went down elsewhere is down for as long as this key is. Not Meta, but Apple's:
// Windows goes on claiming it after its lock screen.
export function borrowed(event) {
  const { AltGraph, ...claims } = claimsOf(event);
  const missing = (kind) => claims[kind] && !isDown(kind);
  const kinds = ["Control", "Alt", "Meta"].filter((kind) => missing(kind) && (APPLE || kind !== "Meta"));
  const isAltGr = AltGraph && !APPLE;
  const keys = isAltGr ? (isDown("Alt") ? [] : ["AltRight"]) : kinds.map((kind) => `${kind}Left`);
  return missing("Shift") || isTurned(event) ? ["ShiftLeft", ...keys] : keys;
}

// With Num Lock, Windows lets go of Shift while a key of the number pad is down, and presses it again.
function isTurned(event) {
  if (!WINDOWS || !/^Numpad(\d|Decimal)$/.test(event.code)) return false;
  return event.key.length > 1 && event.getModifierState("NumLock") && !isDown("Shift");
}

// Windows has AltGr send a ControlLeft of its own before it, which no other system's AltGr has. It waits for what comes
// next: an AltRight takes its place, all else comes after it.
function arm(event) {
  armed = { event, timer: setTimeout(settle, ALTGR_WITHIN) };
}

function settle(next) {
  if (next?.key === "AltGraph" || next?.code === "AltRight") letGo((entry, code) => isMadeUp(code, entry.when, next));
  if (!armed) return;
  const { event } = disarm();
  if (!next || !isMadeUp("ControlLeft", event.timeStamp, next)) take(event, "ControlLeft");
}

function isMadeUp(code, when, next) {
  return WINDOWS && code === "ControlLeft" && next.code === "AltRight" && next.timeStamp - when < ALTGR_WITHIN;
}

function disarm() {
  const last = armed;
  clearTimeout(armed?.timer);
  armed = null;
  return last;
}

// Ctrl+Shift+V, by the letter; by the place where the layout has other letters.
function isPaste({ code, key, ctrlKey, shiftKey, altKey, metaKey }) {
  if (!ctrlKey || !shiftKey || altKey || metaKey) return false;
  return /^[a-z]$/i.test(key) ? key.toLowerCase() === "v" : code === "KeyV";
}

// The browser hands over its clipboard if it pastes; where it does not, that is told.
function askPaste(event) {
  if (event.repeat) return event.preventDefault();
  releaseKeys();
  clearTimeout(paste);
  paste = setTimeout(hooks.paste, PASTE_WITHIN, null);
}

function pasted(event) {
  if (!mayType() || !hooks.paste) return;
  event.preventDefault();
  clearTimeout(paste);
  hooks.paste(event.clipboardData.getData("text/plain"));
}

function leave() {
  isLeaving = false;
  screen.blur();
  hooks.leave?.();
}

// The pointer tells which modifiers are down; what it does comes after what was pressed before. Fingers tell nothing.
function point(event) {
  settle();
  if (event.type !== "pointermove") isLeaving = false;
  if (event.pointerType !== "touch") deny(event);
}

export function releaseKeys() {
  disarm();
  releaseHeld();
}

export function forgetKeys() {
  disarm();
  forgetHeld();
}

// For ISO keyboards of Apple's, whose two keys some browsers confuse: Backquote and IntlBackslash change places.
export function swapIso(on) {
  isSwapped = on;
}

// :param wired: what the page does with `type(text)`, a text that comes without keys; `paste(text)`, which Ctrl+Shift+V
//     asks for, null where the browser gives none; `leave()`, by Ctrl+Alt, when the screen has lost the focus; and
//     `lost(keys)`, which were let go for want of a sign that they are down
export function attachKeyboard(element, wired = {}) {
  [screen, hooks] = [element, wired];
  screen.addEventListener("keydown", press);
  screen.addEventListener("keyup", lift);
  screen.addEventListener("paste", pasted);
  for (const name of ["pointerdown", "pointermove", "wheel"]) {
    screen.addEventListener(name, point, { capture: true, passive: true });
  }
  screen.addEventListener("blur", releaseKeys);
  addEventListener("blur", releaseKeys);
  document.addEventListener("fullscreenchange", releaseKeys);
  watchKeys((keys) => hooks.lost?.(keys));
}
