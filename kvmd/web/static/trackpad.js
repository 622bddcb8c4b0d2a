// The screen as a trackpad: a finger moves the pointer from where it is, and holds the left button after a long press.

import { canMoveBy, click, hold, moveBy, moveTo, pointedAt } from "./pointer.js";
import { pref } from "./prefs.js";
import { pictureSize } from "./zoom.js";

const MIDDLE = { x: 0.5, y: 0.5 };

const within = (part) => Math.min(1, Math.max(0, part));

// In the picture, the pointer goes as far as the finger does, times the speed that is chosen.
function move(_, dx, dy) {
  const { width, height, scale } = pictureSize();
  if (canMoveBy()) return moveBy({ dx: dx * scale, dy: dy * scale });
  const speed = pref("mouse_speed", 1);
  const { x, y } = pointedAt() ?? MIDDLE;
  moveTo({ x: within(x + (dx * speed) / width), y: within(y + (dy * speed) / height) });
}

export const trackpad = {
  gather: 0,
  isSoft: true,
  isOurs: () => true,
  tap: (button) => click(button),
  begin() {},
  long: () => hold("finger", ["left"]),
  move,
  end: () => hold("finger", []),
  aim() {},
};
