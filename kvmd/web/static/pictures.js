// Pictures: shown as the socket brings them, and confirmed once they are; or off the stream, where no socket can be had.

import { onPref, pref } from "./prefs.js";
import { daemonsNow, say, way } from "./socket.js";
import { closeStream, openStream } from "./stream.js";

const SPAN = 2000; // ms over which rates are told

// The header, see docs/socket.md.
const HEADER_LENGTH = 3;
const NUMBER = 4;
const TAKEN = 8;

// Tells of each picture that is shown: a "picture" whose detail is the Blob.
export const pictures = new EventTarget();

let picture;
let wanted = false; // the console is open
let newest = null; // what came while another was being shown
let showing = false;
let settle = () => {};
let taken = 0;
let age = 0;
let came = 0; // when the last one did, or when they were asked for
let shown = []; // of the last seconds: {when, bytes}
let latest = null; // the Blob

// How old the picture was when it was shown, in ms.
export const pictureAge = () => age;

// The picture that is shown, a Blob of a JPEG; null where none is.
export const latestPicture = () => latest;

// For how many ms none has come though they are wanted; 0 while nobody looks.
export const pictureStands = () => (visible() ? performance.now() - came : 0);

// Pictures and bits a second.
export function pictureRates() {
  const now = performance.now();
  shown = shown.filter(({ when }) => now - when < SPAN);
  const bytes = shown.reduce((sum, each) => sum + each.bytes, 0);
  return { fps: (shown.length * 1000) / SPAN, bits: (bytes * 8000) / SPAN };
}

export function attachPictures(element) {
  picture = element;
  document.addEventListener("visibilitychange", ask);
  for (const name of ["quality", "fps"]) onPref(name, ask);
}

// Show pictures from now on, or none; called again, it takes them anew.
export function showPictures(on) {
  wanted = on;
  if (!on) clear();
  ask();
}

// Take a picture off the socket.
export function take(buffer) {
  const header = new DataView(buffer);
  note(header.getFloat64(TAKEN));
  const number = header.getUint32(NUMBER);
  showNext({ jpeg: buffer.slice(header.getUint8(HEADER_LENGTH)), confirm: () => say({ type: "seen", number }) });
}

const takeStreamed = (jpeg) => showNext({ jpeg, confirm: () => {} });

// Of those that come while one is being shown only the newest is shown.
async function showNext(next) {
  came = performance.now();
  newest = next;
  if (showing) return;
  showing = true;
  while (newest) {
    const { jpeg, confirm } = newest;
    newest = null;
    const blob = new Blob([jpeg], { type: "image/jpeg" });
    if (wanted) await show(blob);
    confirm();
  }
  showing = false;
}

async function show(blob) {
  const address = URL.createObjectURL(blob);
  await put(address);
  URL.revokeObjectURL(address);
  latest = blob;
  shown.push({ when: performance.now(), bytes: blob.size });
  pictures.dispatchEvent(new CustomEvent("picture", { detail: blob }));
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

function ask() {
  came = performance.now();
  if (way() === "none") return visible() ? openStream(takeStreamed) : clear();
  closeStream();
  const fps = pref("fps", 0);
  say({ type: "pictures", on: visible(), quality: pref("quality", "high"), ...(fps ? { fps } : {}) });
}

function clear() {
  closeStream();
  settle();
  picture.removeAttribute("src");
  latest = null;
  shown = [];
}
