// Fingers on the screen: what they do in the picture, where they point, and as on a trackpad, where the place is nothing.

import { $ } from "./dom.js";
import { Fingers } from "./fingers.js";
import { attachMouseButtons } from "./mousebuttons.js";
import { canPoint, click, hold, moveTo, pointsAt, turnWheels } from "./pointer.js";
import { pref } from "./prefs.js";
import { trackpad } from "./trackpad.js";
import { isInside, isZoomed, panBy, placeOf, zoomBy } from "./zoom.js";

const STEP = 40; // CSS pixels to a step of the wheel
const AGAIN_WITHIN = 400; // ms for a second tap
const AGAIN_NEAR = 30; // CSS pixels; computers want both clicks at the same place
const BUTTONS = { 1: "left", 2: "right", 3: "middle" }; // by how many fingers tap

const client = ({ x, y }) => ({ clientX: x, clientY: y });

let tapped = { at: { x: 0, y: 0 }, when: -Infinity };

// A finger in the picture is where it points; it drags, and after a long press, which is the right button, it moves.
const direct = {
  gather: 100, // ms
  isSoft: false,
  isOurs: (at) => isInside(client(at)),

  tap(button, at) {
    const now = performance.now();
    const near = Math.hypot(at.x - tapped.at.x, at.y - tapped.at.y) < AGAIN_NEAR;
    const place = near && now - tapped.when < AGAIN_WITHIN ? tapped.at : at;
    tapped = { at: place, when: now };
    click(button, placeOf(client(place)));
  },
  begin: (at) => hold("finger", ["left"], placeOf(client(at))),
  long: (at) => click("right", placeOf(client(at))),
  move: (at) => moveTo(placeOf(client(at))),
  end: () => hold("finger", []),
  aim: (at) => isInside(client(at)) && moveTo(placeOf(client(at))),
};

// Where there is nothing to point at, only the picture is zoomed.
function meaningOf(mode) {
  let ours = false;
  let aimed = false;
  const begins = (at) => (ours = canPoint() && mode.isOurs(at));
  const scroll = (at, dx, dy) => {
    if (!canPoint()) return;
    if (!aimed) mode.aim(at);
    aimed = true;
    turnWheels(dy / STEP, -dx / STEP); // what is seen goes with the fingers
  };
  const zoom = (at, dx, dy, factor) => {
    panBy(dx, dy);
    zoomBy(factor, client(at));
  };
  return {
    gather: mode.gather,
    isSoft: mode.isSoft,
    tap: (count, at) => begins(at) && count in BUTTONS && mode.tap(BUTTONS[count], at),
    begin: (at) => begins(at) && mode.begin(at),
    long(at) {
      if (!begins(at)) return;
      navigator.vibrate?.(20); // one feels that the press was long, where a phone can
      mode.long(at);
    },
    move: (...way) => ours && mode.move(...way),
    end: () => ours && mode.end(),
    pinch: zoom,
    pan: (at, dx, dy, factor, count) => (isZoomed() && count < 3 ? zoom(at, dx, dy, factor) : scroll(at, dx, dy)),
  };
}

export const isTrackpad = () => pref("trackpad", false) || !pointsAt();

const fingers = new Fingers(() => meaningOf(isTrackpad() ? trackpad : direct));

export const hasFingers = () => fingers.areDown;

// Not what lies over the screen.
const isOurs = ({ target }) => target === $("screen") || target === $("stream");

// A field that is written into, on the phone's own keyboard, keeps the focus, or the keyboard would go.
function take(event) {
  const isWriting = document.activeElement?.matches("#board textarea, #board input");
  if (!isWriting) $("screen").focus();
  fingers.press(event.pointerId, { x: event.clientX, y: event.clientY }, event.timeStamp);
}

export function attachTouch(screen) {
  const touch = (act) => (event) => event.pointerType === "touch" && isOurs(event) && act(event);
  const at = ({ clientX, clientY }) => ({ x: clientX, y: clientY });
  screen.addEventListener("pointerdown", touch(take));
  screen.addEventListener("pointermove", touch((event) => fingers.move(event.pointerId, at(event), event.timeStamp)));
  screen.addEventListener("pointerup", touch((event) => fingers.lift(event.pointerId, event.timeStamp)));
  screen.addEventListener("pointercancel", touch(() => fingers.cancel()));
  // Neither a mouse's events afterwards, nor a selection, a magnifying glass or a menu of the phone's.
  screen.addEventListener("touchstart", (event) => isOurs(event) && event.preventDefault(), { passive: false });
  for (const name of ["touchend", "touchcancel"]) {
    screen.addEventListener(name, ({ touches }) => touches.length || fingers.cancel()); // a pointer's end may be lost
  }
  addEventListener("blur", () => fingers.cancel());
  attachMouseButtons(screen);
}
