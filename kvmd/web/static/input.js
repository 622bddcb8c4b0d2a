// What is typed and pointed: over the socket, or by requests where none can be had; never later than it was meant.

import { queue } from "./api.js";
import { kvm } from "./kvm.js";
import { merge } from "./moves.js";
import { daemonsNow, say, way } from "./socket.js";

const PACE = 8; // ms for which moves become one

let pending = null;
let number = 0;
let used = performance.now();

// For how many ms nothing was typed or pointed here.
export const idleFor = () => performance.now() - used;

export const mayType = () => kvm.mayType;

// Send what docs/socket.md names: press, release, release_all, tap or mouse; moves that follow one another become one.
export function send(type, body = {}, isMove = false) {
  if (!mayType()) return;
  used = performance.now();
  if (way() === "none") return queue(...request(type, body), isMove);
  if (way() !== "open") return letGo(type, body);
  if (isMove && pending && merge(pending, body)) return;
  flush();
  // of what lets go only a refusal matters: its "done" would take the words away that a refused press has left
  if (!isMove) return transmit(type, body, type.startsWith("release") ? undefined : ++number);
  pending = { ...body };
  setTimeout(flush, PACE);
}

// For keys that are held, where requests carry them: the daemon lets go of what it does not hear of.
export function renew(type, body) {
  if (way() === "none") send(type, body);
}

function flush() {
  const body = pending;
  pending = null;
  if (body) transmit("mouse", body);
}

function transmit(type, body, id) {
  say({ type, ...body, id, at: daemonsNow() });
}

// A stalled line takes nothing but what lets go, which is never late.
function letGo(type, body) {
  pending = null;
  if (type.startsWith("release") || body.buttons?.length === 0) say({ type: "release_all" });
}

function request(type, body) {
  if (type === "mouse") return ["api/mouse", body];
  return ["api/keyboard", { [type === "tap" ? "keycodes" : type]: type === "release_all" ? true : body.keys }];
}
