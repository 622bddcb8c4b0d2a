// The on-screen keyboard, below the picture: its keys are labelled as the computer's layout has them.

import { call } from "./api.js";
import { abandon, attachHands, isLocked, lift, press, releaseBoard } from "./board-hands.js";
import { PRINTED, geometryOf, keyboardPage, wholeKeyboard } from "./board-keys.js";
import { $, h, icon, write } from "./dom.js";
import { heldKeys, isDown, keysDown } from "./held.js";
import { kindOf } from "./keynames.js";
import { kvm } from "./kvm.js";
import { onPref, pref, setPref } from "./prefs.js";
import { t } from "./words.js";

const PARTS = 12; // of a unit, to which keys are placed
const NARROW = 820; // px of width below which there are pages
const WIDE = 1150; // px from which there is a number pad
const LOW = 500; // px of the window's height below which there are pages
const LAMPS = { CapsLock: "caps", NumLock: "num", ScrollLock: "scroll" };
const ON_KEYCAPS = /^[!-/:-@[-`{-~€]$/; // what is printed on keys beside what they type plainly

let keys; // the element with the keys
let select;
let usual = ""; // the layout that counts where none is chosen
let labels = {};
let shape = "";
let page = "letters";
let struck = null; // the key that a pointer pressed, whose click follows

export const isBoardShown = () => !$("board").hidden;

export function toggleBoard() {
  if (isBoardShown()) hideBoard();
  else showBoard();
}

function showBoard() {
  if (!keys) build();
  $("board").hidden = false;
  tell();
  show();
}

function hideBoard() {
  const inside = $("board").contains(document.activeElement);
  releaseBoard();
  $("board").hidden = true;
  tell();
  if (inside) $("screen").focus();
}

// It was shown or hidden.
const tell = () => $("board").dispatchEvent(new Event("toggle"));

function build() {
  select = h("select", { "aria-label": t("text.layout"), onchange: () => setPref("layout", select.value) });
  const attributes = { type: "button", class: "quiet", "aria-label": t("panel.close"), onclick: hideBoard };
  const close = h("button", attributes, icon("close"));
  keys = h("div", { class: "keys" });
  $("board").append(h("div", { class: "head" }, select, close), keys);
  attachPointer();
  keys.addEventListener("keydown", walk);
  attachHands(show);
  heldKeys.addEventListener("change", show);
  kvm.on("status", show);
  kvm.on("me", () => kvm.mayType || hideBoard());
  new ResizeObserver(arrange).observe($("view"));
  onPref("layout", loadLabels);
  loadLayouts();
}

// The layouts

async function loadLayouts() {
  try {
    const { default: name, layouts } = await call("api/layouts");
    usual = name;
    select.append(...layouts.map(({ name: value, title }) => h("option", { value }, `${title} – ${value}`)));
    await loadLabels();
  } catch ({ message }) {
    tellRefused(message);
  }
}

async function loadLabels() {
  const name = pref("layout", "") || usual;
  try {
    labels = (await call(`api/layouts/${encodeURIComponent(name)}`)).keys;
  } catch ({ message }) {
    return tellRefused(message);
  }
  select.value = name;
  arrange(true);
}

function tellRefused(words) {
  dispatchEvent(new CustomEvent("tell", { detail: { words, refused: true } }));
}

// The keys

function shapeNow() {
  const width = $("view").clientWidth;
  if (width < NARROW || innerHeight < LOW) return "pages";
  return width < WIDE ? "whole" : "wide";
}

// Put the keys where there is room for them.
function arrange(anew) {
  const fitting = shapeNow();
  if (!isBoardShown() || (anew !== true && fitting === shape)) return;
  shape = fitting;
  const geometry = geometryOf(pref("layout", "") || usual);
  const isPaged = shape === "pages";
  const plan = isPaged ? keyboardPage(page, geometry, labels) : wholeKeyboard(geometry, shape === "wide");
  keys.dataset.shape = shape;
  keys.dataset.geometry = geometry;
  keys.style.gridTemplateColumns = `repeat(${plan.width * PARTS}, minmax(0, 1fr))`;
  keys.replaceChildren(...plan.keys.map(button));
  keys.firstChild.tabIndex = 0;
  show();
}

function button({ code, row, column, width, height }) {
  const isPage = code.startsWith("@");
  const what = isPage ? { class: "page", "data-page": code.slice(1) } : { class: "key", "data-code": code };
  const key = h("button", { type: "button", tabindex: -1, ...what });
  const [start, end] = [column, column + width].map((place) => Math.round(place * PARTS) + 1);
  Object.assign(key.style, { gridRow: `${row + 1} / span ${height}`, gridColumn: `${start} / ${end}` });
  key.append(h("span", { class: "main" }), h("span", { class: "above" }), h("span", { class: "beside" }));
  if (isPage) key.firstChild.textContent = t(`board.${code.slice(1)}`);
  return key;
}

// What is written on them, and which are down.
function show() {
  if (!keys || !isBoardShown()) return;
  if (!keys.childElementCount) return arrange(true);
  const down = keysDown();
  const hasAltGr = Object.values(labels).some((row) => row.length > 2);
  const lamps = kvm.status.hid?.leds ?? {};
  for (const key of keys.querySelectorAll(".key")) {
    label(key, key.dataset.code, { hasAltGr, lamps, altGr: hasAltGr && down.has("AltRight") });
    mark(key, key.dataset.code, down, lamps);
  }
}

function label(key, code, { hasAltGr, lamps, altGr }) {
  const row = labels[code];
  const isTyped = row && code !== "Space";
  const [plain = "", shifted = "", third = ""] = row ?? [];
  const isLetter = plain !== shifted && plain.toUpperCase() === shifted;
  const shift = isDown("Shift") !== Boolean(isLetter && lamps.caps);
  const text = isTyped ? (row[(altGr ? 2 : 0) + (shift ? 1 : 0)] ?? "") : printed(code, hasAltGr);
  const isPlain = isTyped && !shift && !altGr;
  const texts = [text, isPlain && !isLetter ? shifted : "", isPlain && ON_KEYCAPS.test(third) ? third : ""];
  [...key.children].forEach((part, index) => write(part, texts[index]));
  key.firstChild.classList.toggle("word", text.length > 1);
  key.setAttribute("aria-label", isTyped ? text || code : named(code, hasAltGr));
}

const isPad = (code) => code.startsWith("Numpad");
const altRight = (code, hasAltGr) => (code === "AltRight" && hasAltGr ? "AltGr" : undefined);

// What is printed on a key that types nothing, or the same on all layouts.
function printed(code, hasAltGr) {
  if (PRINTED[code]) return PRINTED[code];
  if (isPad(code)) return code.slice("Numpad".length);
  if (/^F\d/.test(code)) return code;
  if (code === "Backquote") return "半/全"; // it types nothing on Japanese keyboards alone
  if (kindOf(code) === "Shift" && shape === "pages") return "⇧";
  return altRight(code, hasAltGr) ?? t(`key.${kindOf(code) ?? code}`);
}

function named(code, hasAltGr) {
  const words = t(`key.${altRight(code, hasAltGr) ?? kindOf(code) ?? code}`);
  if (isPad(code)) return t("board.pad", { key: printed(code) });
  const name = words.startsWith("key.") ? printed(code) : words;
  return isLocked(code) ? t("board.locked", { key: name }) : name;
}

function mark(key, code, down, lamps) {
  const lamp = LAMPS[code];
  key.classList.toggle("lit", Boolean(lamp && lamps[lamp]));
  key.classList.toggle("locked", isLocked(code));
  key.classList.toggle("down", down.has(code));
  if (lamp) key.setAttribute("aria-pressed", String(Boolean(lamps[lamp])));
  else if (kindOf(code)) key.setAttribute("aria-pressed", String(down.has(code)));
}

// Fingers and mice: they press and let go, and take the focus from nothing.

function attachPointer() {
  const keyOf = ({ target }) => target.closest?.(".key");
  keys.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const key = keyOf(event);
    if (!key || event.button) return;
    struck = key;
    key.setPointerCapture(event.pointerId);
    press(key.dataset.code, event.pointerId);
  });
  keys.addEventListener("pointerup", ({ pointerId }) => lift(pointerId));
  for (const name of ["pointercancel", "lostpointercapture"]) {
    keys.addEventListener(name, ({ pointerId }) => abandon(pointerId));
  }
  for (const name of ["mousedown", "contextmenu"]) keys.addEventListener(name, (event) => event.preventDefault());
  keys.addEventListener("click", click);
}

// Those of the keyboard and of screen readers, which tell of no pointer; there is no haste for them in a second tap.
function click(event) {
  const { page: next, code } = event.target.closest("button")?.dataset ?? {};
  if (next) return turn(next);
  const isStruck = event.detail && event.target.closest(".key") === struck;
  struck = null;
  if (!code || isStruck) return;
  press(code, "click", Infinity);
  lift("click");
}

function turn(next) {
  const inside = keys.contains(document.activeElement);
  page = next;
  arrange(true);
  if (inside) keys.firstChild.focus();
}

// By the keyboard: arrows go from key to key, Escape closes.
function walk(event) {
  if (event.key === "Escape") return hideBoard();
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = neighbour(event.target, step);
  if (!next) return;
  for (const key of keys.children) key.tabIndex = key === next ? 0 : -1;
  next.focus();
}

// The nearest key in this direction.
function neighbour(from, [x, y]) {
  const centre = (key) => {
    const box = key.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const [left, top] = centre(from);
  const far = (key) => {
    const [dx, dy] = centre(key).map((place, axis) => place - [left, top][axis]);
    const [along, across] = x ? [dx * x, Math.abs(dy)] : [dy * y, Math.abs(dx)];
    return along > 1 ? along + across * (x ? 4 : 0.5) : Infinity;
  };
  const nearest = [...keys.children].filter((key) => far(key) < Infinity).sort((one, other) => far(one) - far(other));
  return nearest[0];
}
