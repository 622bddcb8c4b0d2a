// The mouse: over the picture it is where the pointer is; while it is captured, it says how far it went. And a pen.

import { isDown } from "./held.js";
import { mayType } from "./input.js";
import { attachJiggler } from "./jiggler.js";
import { kvm } from "./kvm.js";
import {
  buttonsOf, canMoveBy, canPoint, forgetButtons, hold, moveBy, moveTo, pointsAt, releaseButtons, renewButtons, setAble,
  turnWheels,
} from "./pointer.js";
import { onPref, pref } from "./prefs.js";
import { attachTouch, hasFingers, isTrackpad } from "./touch.js";
import { t } from "./words.js";
import { attachZoom, follow, placeOf, zoomBy } from "./zoom.js";

export { forgetButtons, releaseButtons, renewButtons };

const STEP = { 0: 100, 1: 3, 2: 1 }; // pixels, lines, pages to a step of the wheel, by WheelEvent.deltaMode
const BITS = [1, 4, 2, 8, 16]; // of MouseEvent.buttons, by MouseEvent.button
const PINCH = 0.01; // how much of its logarithm a picture grows by a pixel of a pinch on a trackpad

let screen, picture;

const captured = () => document.pointerLockElement === screen;
const isFinger = ({ pointerType }) => pointerType === "touch";
// A tap on a Mac's trackpad goes down without any in Safari and Firefox: SDL issue 14640, noVNC issue 1970
const maskOf = ({ type, button, buttons }) => buttons || (type === "pointerdown" ? BITS[button] : 0);
const where = (event) => (captured() ? { dx: event.movementX, dy: event.movementY } : placeOf(event));

// Every change of the buttons is an event of its own, also while others are held, where browsers tell it as a move.
// A button counts that was pressed in the picture, which has the pointer then until all are released.
function point(event) {
  if (!mayType()) return;
  const free = !captured();
  if (free && (!pointsAt() || event.target !== picture)) return;
  event.preventDefault();
  if (free) follow(event);
  const ours = !free || event.type === "pointerdown" || picture.hasPointerCapture(event.pointerId);
  const to = where(event);
  if (hold("mouse", ours ? buttonsOf(maskOf(event)) : [], to)) return;
  if (free) moveTo(to);
  else moveBy(to);
}

function press(event) {
  screen.focus();
  if (!mayType()) return;
  if (!captured() && event.target !== picture) return;
  if (!pointsAt() && canMoveBy() && !captured()) return capture();
  if (!captured()) picture.setPointerCapture(event.pointerId);
  point(event);
}

// Browsers tell a pinch on a trackpad as a wheel with a Ctrl that nobody pressed: it is for the picture.
function turn(event) {
  const isPinch = event.ctrlKey && !isDown("Control");
  if (isPinch) {
    event.preventDefault();
    return zoomBy(Math.exp(-event.deltaY * PINCH), event);
  }
  if (!mayType() || (!captured() && !pointsAt())) return;
  event.preventDefault();
  const step = STEP[event.deltaMode];
  turnWheels(-event.deltaY / step, event.deltaX / step);
}

export function capture() {
  screen.focus();
  // right after Escape, browsers refuse; the hint stays, and the next click succeeds
  screen.requestPointerLock?.()?.catch(() => {});
}

// Tell what the device in use can do, by its names in the status; answer with what there is to say to the user.
export function setMouse(capabilities) {
  setAble(capabilities);
  if (!mayType()) return t("screen.hint_viewer");
  if (!canPoint()) return t("screen.hint_no_mouse");
  if (captured()) return t("screen.hint_captured");
  if (matchMedia("(pointer: coarse)").matches) return t(isTrackpad() ? "touch.hint_trackpad" : "touch.hint");
  return pointsAt() ? t("screen.hint") : t("screen.hint_capture");
}

export const canCapture = () => mayType() && canMoveBy();

const showPointer = () => (picture.dataset.pointer = pref("pointer", "crosshair"));

export function attachMouse(screenElement, pictureElement) {
  [screen, picture] = [screenElement, pictureElement];
  const by = (act) => (event) => !isFinger(event) && (event.isPrimary || captured()) && act(event);
  screen.addEventListener("pointerdown", by(press));
  screen.addEventListener("pointermove", by(point));
  screen.addEventListener("pointerup", by(point));
  screen.addEventListener("lostpointercapture", by(() => hold("mouse", [])));
  screen.addEventListener("wheel", turn, { passive: false });
  screen.addEventListener("contextmenu", (event) => event.preventDefault());
  document.addEventListener("pointerlockchange", releaseButtons);
  attachZoom(screen, picture, hasFingers);
  attachTouch(screen);
  attachJiggler();
  onPref("pointer", showPointer);
  for (const name of ["mouse_mode", "trackpad"]) onPref(name, () => kvm.tell("status", kvm.status)); // other hints
  showPointer();
}
