// The jiggler: moves the mouse by next to nothing when nobody has used keyboard or mouse for a while, so that the
// computer does not sleep or lock itself. In a hidden tab, too, where browsers let it look once a minute.

import { $, h } from "./dom.js";
import { keysDown, typedLately } from "./held.js";
import { idleFor, mayType, send } from "./input.js";
import { kvm } from "./kvm.js";
import { canMoveBy, canPoint, holdsButtons, pointedAt } from "./pointer.js";
import { onPref, pref } from "./prefs.js";
import { t } from "./words.js";
import { pictureSize } from "./zoom.js";

const LOOK_EVERY = 1000; // ms
const MIDDLE = { x: 0.5, y: 0.5 };

let heard = 0; // when another was seen to type

const seconds = () => pref("jiggle", 0);

function isTime() {
  const now = performance.now();
  const isAnother = ({ number, typing }) => typing && number !== kvm.me.number;
  if (kvm.clients.some(isAnother) || kvm.typists.length) heard = now;
  if (keysDown().size || holdsButtons() || typedLately()) return false;
  return Math.min(idleFor(), now - heard) >= seconds() * 1000;
}

// There and back: no two of them are one move, as these would be none.
function jiggle() {
  if (canMoveBy()) {
    send("mouse", { dx: 1, dy: 0 });
    return send("mouse", { dx: -1, dy: 0 });
  }
  const there = pointedAt() ?? MIDDLE;
  const { width, scale } = pictureSize();
  const pixel = 1 / (width * scale);
  send("mouse", { ...there, x: there.x < 0.5 ? there.x + pixel : there.x - pixel });
  send("mouse", there);
}

function look() {
  const isTaken = kvm.keyboard !== null && kvm.keyboard !== kvm.me.number;
  if (!seconds() || isTaken || !canPoint() || kvm.status.hid?.state !== "online") return;
  if (isTime()) jiggle();
}

export function attachJiggler() {
  const sign = h("span", { id: "jiggles" }, t("mouse.jiggles"));
  const show = () => (sign.hidden = !seconds() || !mayType());
  $("hint").after(sign);
  onPref("jiggle", show);
  kvm.on("me", show);
  show();
  setInterval(look, LOOK_EVERY);
}
