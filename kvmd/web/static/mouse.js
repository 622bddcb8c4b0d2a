// The mouse: over the picture it is where the pointer is; while it is captured, it says how far it went.

import { mayType, renew, send } from "./input.js";
import { t } from "./words.js";

const BUTTONS = ["left", "right", "middle", "back", "forward"]; // by their bit in MouseEvent.buttons
const STEP = { 0: 100, 1: 3, 2: 1 }; // pixels, lines, pages to a step of the wheel, by WheelEvent.deltaMode

let screen, picture;
let able = { absolute: true, relative: true };
let held = [];

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

const captured = () => document.pointerLockElement === screen;

// The place in the picture: 0 is its first pixel, 1 its last.
function place(event) {
  const box = picture.getBoundingClientRect();
  const part = (distance, size) => Math.min(1, Math.max(0, distance / (size - 1)));
  return { x: part(event.clientX - box.left, box.width), y: part(event.clientY - box.top, box.height) };
}

function where(event) {
  if (!captured()) return place(event);
  const move = { dx: right.take(event.movementX), dy: down.take(event.movementY) };
  return move.dx || move.dy ? move : {};
}

// Every change of the buttons is an event of its own, also while others are held, where browsers tell it as a move.
// A button counts that was pressed in the picture, which has the pointer then until all are released.
function point(event) {
  if (!mayType()) return;
  const free = !captured();
  if (free && (!able.absolute || event.target !== picture)) return;
  event.preventDefault();
  const ours = !free || picture.hasPointerCapture(event.pointerId);
  const buttons = BUTTONS.filter((_, bit) => ours && event.buttons & (1 << bit));
  const to = where(event);
  if (buttons.join() !== held.join()) {
    held = buttons;
    send("mouse", { ...to, buttons });
  } else if (Object.keys(to).length) send("mouse", to, true);
}

function press(event) {
  screen.focus();
  if (!mayType()) return;
  if (!captured() && event.target !== picture) return;
  if (!able.absolute && able.relative && !captured()) capture();
  if (!captured()) picture.setPointerCapture(event.pointerId);
  point(event);
}

function turn(event) {
  if (!mayType() || (!captured() && !able.absolute)) return;
  event.preventDefault();
  const step = STEP[event.deltaMode];
  const turned = { wheel: wheel.take(-event.deltaY / step), hwheel: hwheel.take(event.deltaX / step) };
  if (turned.wheel || turned.hwheel) send("mouse", turned, true);
}

export function capture() {
  screen.focus();
  // right after Escape, browsers refuse; the hint stays, and the next click succeeds
  screen.requestPointerLock()?.catch(() => {});
}

export function releaseButtons() {
  if (!held.length) return;
  held = [];
  send("mouse", { buttons: [] });
}

export function renewButtons() {
  if (held.length) renew("mouse", { buttons: held });
}

export function forgetButtons() {
  held = [];
}

// Tell what the device in use can do, by its names in the status; answer with what there is to say to the user.
export function setMouse(capabilities) {
  able = {
    absolute: capabilities.includes("absolute_mouse"),
    relative: capabilities.includes("relative_mouse"),
  };
  if (!mayType()) return t("screen.hint_viewer");
  if (captured()) return t("screen.hint_captured");
  if (able.absolute) return t("screen.hint");
  if (able.relative) return t("screen.hint_capture");
  return t("screen.hint_no_mouse");
}

export const canCapture = () => mayType() && able.relative;

export function attachMouse(screenElement, pictureElement) {
  [screen, picture] = [screenElement, pictureElement];
  const first = (act) => (event) => (event.isPrimary || captured()) && act(event); // not the second finger
  screen.addEventListener("pointerdown", first(press));
  screen.addEventListener("pointermove", first(point));
  screen.addEventListener("pointerup", first(point));
  screen.addEventListener("lostpointercapture", first(releaseButtons));
  screen.addEventListener("wheel", turn, { passive: false });
  screen.addEventListener("contextmenu", (event) => event.preventDefault());
  document.addEventListener("pointerlockchange", releaseButtons);
}
