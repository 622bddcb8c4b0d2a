// Pictures: shown as the socket brings them, and confirmed once they are; or as a stream, where no socket can be had.

import { daemonsNow, say, way } from "./socket.js";

const STREAM_AGAIN = 1000; // ms after which a stream that failed is taken again

// The header, see docs/socket.md.
const HEADER_LENGTH = 3;
const NUMBER = 4;
const TAKEN = 8;

let picture;
let wanted = false; // the console is open
let newest = null; // what came while another was being shown
let showing = false;
let settle = () => {};
let taken = 0;
let age = 0;

// How old the picture was when it was shown, in ms.
export const pictureAge = () => age;

export function attachPictures(element) {
  picture = element;
  picture.addEventListener("error", () => streams() && setTimeout(() => streams() && stream(), STREAM_AGAIN));
  document.addEventListener("visibilitychange", ask);
}

// Show pictures from now on, or none; called again, it takes them anew.
export function showPictures(on) {
  wanted = on;
  if (!on) clear();
  ask();
}

// Take a picture off the socket; of those that come meanwhile only the newest is shown.
export async function take(buffer) {
  newest = buffer;
  if (showing) return;
  showing = true;
  while (newest) {
    const next = newest;
    newest = null;
    await show(next);
  }
  showing = false;
}

async function show(buffer) {
  const header = new DataView(buffer);
  const jpeg = new Blob([buffer.slice(header.getUint8(HEADER_LENGTH))], { type: "image/jpeg" });
  const address = URL.createObjectURL(jpeg);
  if (wanted) await put(address);
  URL.revokeObjectURL(address);
  say({ type: "seen", number: header.getUint32(NUMBER) });
  note(header.getFloat64(TAKEN));
}

// A broken one is confirmed, too, or no other would come.
function put(address) {
  return new Promise((resolve) => {
    settle = resolve;
    picture.onload = picture.onerror = resolve;
    picture.src = address;
  });
}

// One that does not change is sent again and again, and its age says nothing.
function note(when) {
  age = when > taken ? daemonsNow() - when : 0;
  taken = when;
}

const visible = () => wanted && !document.hidden;
const streams = () => visible() && way() === "none";

function ask() {
  if (way() === "none") return visible() ? stream() : clear();
  say({ type: "pictures", on: visible() });
}

function stream() {
  picture.src = `stream?${Date.now()}`; // a new address, or the browser shows the end of the old stream
}

function clear() {
  settle();
  picture.removeAttribute("src");
}
