// The computer's mouse: where it is, what it holds, how far it turns, whoever of mouse, fingers and buttons asks for it.

import { mayType, renew, send } from "./input.js";
import { pref } from "./prefs.js";

const BUTTONS = ["left", "right", "middle", "back", "forward"]; // by their bit in MouseEvent.buttons

let able = { absolute: true, relative: true };
let at = null; // where it was pointed to last, in parts of the picture
const holders = new Map(); // the buttons that each holds

// Whole steps of distances that come in fractions; what turns round begins anew.
class Steps {
  #rest = 0;

  take(distance) {
    if (distance * this.#rest < 0) this.#rest = 0;
    this.#rest += distance;
    const steps = Math.trunc(this.#rest);
    this.#rest -= steps;
    return steps;
  }
}

const [right, down, wheel, hwheel] = Array.from({ length: 4 }, () => new Steps());

const heldNow = () => BUTTONS.filter((name) => [...holders.values()].some((buttons) => buttons.includes(name)));

// What the device in use can do, by its names in the status.
export function setAble(capabilities) {
  able = {
    absolute: capabilities.includes("absolute_mouse"),
    relative: capabilities.includes("relative_mouse"),
  };
}

export const canPoint = () => mayType() && (able.absolute || able.relative);
export const canMoveBy = () => able.relative;
export const hasBoth = () => able.absolute && able.relative;

// Whether places in the picture are places on the computer: not where it has no such mouse, or is not to use it.
export const pointsAt = () => able.absolute && !(able.relative && pref("mouse_mode", "absolute") === "relative");

export const pointedAt = () => at;
export const holdsButtons = () => holders.size > 0;

// :param to: {x, y}, in parts of the picture
export function moveTo(to) {
  at = to;
  send("mouse", to, true);
}

// :param distance: {dx, dy} in the computer's pixels, also in fractions
export function moveBy(distance) {
  const move = steps(distance);
  if (move) send("mouse", move, true);
}

function steps({ dx, dy }) {
  const speed = pref("mouse_speed", 1);
  const move = { dx: right.take(dx * speed), dy: down.take(dy * speed) };
  return move.dx || move.dy ? move : null;
}

// Have somebody hold these buttons, and none else; tell whether that changed anything. What several hold stays down
// until the last of them lets go.
// :param move: where it moves before: {x, y}, {dx, dy}, or nothing
export function hold(holder, buttons, move = {}) {
  const before = heldNow().join();
  if (buttons.length) holders.set(holder, buttons);
  else holders.delete(holder);
  if (heldNow().join() === before) return false;
  const to = "dx" in move ? steps(move) : move;
  if ("x" in move) at = move;
  send("mouse", { ...to, buttons: heldNow() });
  return true;
}

// :param to: where: {x, y}, or where it is
export function click(button, to = {}) {
  if ("x" in to) at = to;
  send("mouse", { ...to, click: button });
}

// Turn the wheels, in steps or fractions of them: up and to the right.
export function turnWheels(up, rightwards) {
  const speed = pref("scroll_speed", 1) * (pref("scroll_reverse", false) ? -1 : 1);
  const turned = { wheel: wheel.take(up * speed), hwheel: hwheel.take(rightwards * speed) };
  if (turned.wheel || turned.hwheel) send("mouse", turned, true);
}

export function releaseButtons() {
  if (!holders.size) return;
  holders.clear();
  send("mouse", { buttons: [] });
}

export function renewButtons() {
  if (holders.size) renew("mouse", { buttons: heldNow() });
}

export function forgetButtons() {
  holders.clear();
}

export const buttonsOf = (mask) => BUTTONS.filter((_, bit) => mask & (1 << bit));
