// The keys that are down on the computer because of us, and the signs by which each is known to be.

import { mayType, renew, send } from "./input.js";
import { WINDOWS, claimsOf, kindOf } from "./keynames.js";

const LOOK_EVERY = 500; // ms
const REPEATS_WITHIN = 3000; // ms; the key that went down last repeats, and if it ceases to, its keyup was lost
const UNREPEATED = 10000; // ms for the key that went down last, where it was never seen to repeat
const AT_MOST = 60000; // ms without a sign for a modifier, and for a key after which another went down

// By the KeyboardEvent.code that holds it: its keys on the computer, the last of which is the one that was meant; what
// kind of modifier that is; when it went down (the event's time); whether an event showed it, if it is a modifier; and
// when a sign of it was seen last.
const held = new Map();
const repeating = new Set(); // what ever repeated
let latest = ""; // what went down last
let typed = -Infinity;

// Tells of a "change" of what is down.
export const heldKeys = new EventTarget();
const tellChange = () => heldKeys.dispatchEvent(new Event("change"));

export const isHeld = (code) => held.has(code);
export const codesHeld = () => [...held.keys()];
export const keysDown = () => new Set([...held.values()].flatMap(({ keys }) => keys));
export const isDown = (kind) => [...keysDown()].some((key) => kindOf(key) === kind);

// Whether anything was typed in the last minute.
export const typedLately = () => mayType() && performance.now() - typed < 60000;

export function noteTyped() {
  typed = performance.now();
}

export function hold(event, keys) {
  const kind = kindOf(keys.at(-1));
  const shown = Boolean(kind && claimsOf(event)[kind]);
  held.set(event.code, { keys, kind, shown, when: event.timeStamp, heard: performance.now() });
  latest = event.code;
  noteTyped();
  send("press", { keys });
  tellChange();
}

export function tap(keys, code = "") {
  latest = code;
  noteTyped();
  send("tap", { keys });
}

// It repeats, so that it is down.
export function hear(code) {
  repeating.add(code);
  const entry = held.get(code);
  if (entry) entry.heard = performance.now();
}

// Let go of those of which `is` says so; a key that another one holds, too, stays down. Tell which went up.
export function letGo(is) {
  const before = keysDown();
  for (const [code, entry] of held) if (is(entry, code)) held.delete(code);
  const after = keysDown();
  const keys = [...before].filter((key) => !after.has(key));
  if (!keys.length) return keys;
  send("release", { keys });
  tellChange();
  return keys;
}

// A modifier that an event denies has gone up elsewhere: its keyup was lost to a dialog or a lock screen of the system.
// A key that is only named so and never acted as one (xmodmap) was never shown; and of two keys of a kind the one that
// goes up denies the other for some browsers, but on Windows this is all that tells of the other's end.
export function deny(event) {
  const claims = claimsOf(event);
  const own = event.code ? kindOf(event.code) : undefined;
  letGo((entry) => {
    const { kind, when } = entry;
    if (!kind || event.timeStamp < when) return false;
    if (claims[kind]) Object.assign(entry, { shown: true, heard: performance.now() });
    if (claims[kind] || !entry.shown) return false;
    return (kind !== own || WINDOWS) && !(kind === "Control" && claims.AltGraph);
  });
}

export function releaseKeys() {
  if (!held.size) return;
  held.clear();
  send("release_all");
  tellChange();
}

// Over requests; what had no sign for too long is not held any more.
export function renewKeys() {
  if (held.size) renew("press", { keys: [...keysDown()] });
}

export function forgetKeys() {
  held.clear();
  tellChange();
}

function patience(code, kind) {
  if (kind || code !== latest) return AT_MOST;
  return repeating.has(code) ? REPEATS_WITHIN : UNREPEATED;
}

// :param tell: is called with the keys that are let go for want of a sign
export function watchKeys(tell) {
  setInterval(() => {
    const now = performance.now();
    const keys = letGo((entry, code) => now - entry.heard > patience(code, entry.kind));
    if (keys.length) tell(keys);
  }, LOOK_EVERY);
}
