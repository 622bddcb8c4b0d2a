// Keys: what is pressed while the screen has the focus is pressed on the computer.

import { mayType, renew, send } from "./input.js";

const held = new Set();

function press(event) {
  if (!mayType()) return;
  event.preventDefault();
  if (!event.code || event.repeat) return; // the computer repeats a held key by itself
  held.add(event.code);
  send("press", { keys: [event.code] });
}

function release(event) {
  if (!mayType()) return;
  event.preventDefault();
  if (held.delete(event.code)) send("release", { keys: [event.code] });
}

export function releaseKeys() {
  if (!held.size) return;
  held.clear();
  send("release_all");
}

export function renewKeys() {
  if (held.size) renew("press", { keys: [...held] });
}

export function forgetKeys() {
  held.clear();
}

export function attachKeyboard(screen) {
  screen.addEventListener("keydown", press);
  screen.addEventListener("keyup", release);
}
