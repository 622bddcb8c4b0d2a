// Keys: what is pressed while the screen has the focus is pressed on the computer.

import { send } from "./api.js";

const held = new Set();

function press(event) {
  event.preventDefault();
  if (!event.code || event.repeat) return; // the computer repeats a held key by itself
  held.add(event.code);
  send("api/keyboard", { press: [event.code] });
}

function release(event) {
  event.preventDefault();
  if (held.delete(event.code)) send("api/keyboard", { release: [event.code] });
}

export function releaseKeys() {
  if (!held.size) return;
  held.clear();
  send("api/keyboard", { release_all: true });
}

export function renewKeys() {
  if (held.size) send("api/keyboard", { press: [...held] });
}

export function forgetKeys() {
  held.clear();
}

export function attachKeyboard(screen) {
  screen.addEventListener("keydown", press);
  screen.addEventListener("keyup", release);
}
