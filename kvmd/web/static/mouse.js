// The mouse: over the picture it is where the pointer is; while it is captured, it says how far it went.

import { send } from "./api.js";

const BUTTONS = ["left", "right", "middle", "back", "forward"]; // by their bit in MouseEvent.buttons
const STEP = { 0: 100, 1: 3, 2: 1 }; // pixels, lines, pages to a step of the wheel, by WheelEvent.deltaMode

let screen, picture;
let able = { absolute: true, relative: true };
let held = [];
let turned = { x: 0, y: 0 }; // of a step of the wheels, what has not been sent

const captured = () => document.pointerLockElement === screen;

function place(event) {
  const box = picture.getBoundingClientRect();
  const within = (part) => Math.min(1, Math.max(0, part));
  return {
    x: within((event.clientX - box.left) / box.width),
    y: within((event.clientY - box.top) / box.height),
  };
}

function where(event) {
  if (captured()) return event.movementX || event.movementY ? { dx: event.movementX, dy: event.movementY } : {};
  return able.absolute ? place(event) : {};
}

// Every change of the buttons is an event of its own, also while others are held, where browsers tell it as a move.
function point(event) {
  if (!captured() && !able.absolute) return;
  event.preventDefault();
  const buttons = BUTTONS.filter((_, bit) => event.buttons & (1 << bit));
  const to = where(event);
  if (buttons.join() !== held.join()) {
    held = buttons;
    send("api/mouse", { ...to, buttons });
  } else if (Object.keys(to).length) send("api/mouse", to, true);
}

function press(event) {
  screen.focus();
  if (!captured() && event.target !== picture) return;
  if (!able.absolute && able.relative && !captured()) capture();
  if (!captured()) picture.setPointerCapture(event.pointerId);
  point(event);
}

function turn(event) {
  if (!captured() && !able.absolute) return;
  event.preventDefault();
  turned.x += event.deltaX / STEP[event.deltaMode];
  turned.y += event.deltaY / STEP[event.deltaMode];
  const [hwheel, down] = [Math.trunc(turned.x), Math.trunc(turned.y)];
  turned = { x: turned.x - hwheel, y: turned.y - down };
  if (hwheel || down) send("api/mouse", { wheel: -down, hwheel });
}

export function capture() {
  screen.focus();
  screen.requestPointerLock();
}

export function releaseButtons() {
  if (!held.length) return;
  held = [];
  send("api/mouse", { buttons: [] });
}

export function renewButtons() {
  if (held.length) send("api/mouse", { buttons: held });
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
  if (captured()) return "The mouse is captured; Escape lets it go.";
  if (able.absolute) return "Click the screen to type; click elsewhere to stop.";
  if (able.relative) return "Click the screen to type and to capture the mouse; Escape lets it go.";
  return "Click the screen to type; this device has no mouse.";
}

export const canCapture = () => able.relative;

export function attachMouse(screenElement, pictureElement) {
  [screen, picture] = [screenElement, pictureElement];
  screen.addEventListener("pointerdown", press);
  screen.addEventListener("pointerup", point);
  screen.addEventListener("pointercancel", releaseButtons);
  screen.addEventListener("wheel", turn, { passive: false });
  screen.addEventListener("contextmenu", (event) => event.preventDefault());
  screen.addEventListener("pointermove", (event) => {
    if (captured() || event.target === picture) point(event);
  });
  document.addEventListener("pointerlockchange", releaseButtons);
}
