// The picture made larger than the screen: by two fingers, or by a pinch on a trackpad. Places in it stay right.

import { h } from "./dom.js";
import { t } from "./words.js";

const LARGEST = 8;
const NEAR = 1.03; // below it, it fits again

let screen, picture, button;
let across = 0; // the computer's pixels in a line, when they were seen last
let scale = 1;
let pan = { x: 0, y: 0 }; // of the picture's upper left corner, in CSS pixels from where it is laid out

export const isZoomed = () => scale > 1;

// The place in the picture: 0 is its first pixel, 1 its last.
export function placeOf({ clientX, clientY }) {
  const box = picture.getBoundingClientRect();
  const part = (distance, size) => Math.min(1, Math.max(0, distance / (size - 1)));
  return { x: part(clientX - box.left, box.width), y: part(clientY - box.top, box.height) };
}

// Its size in the page, and how many of the computer's pixels each of the page's is; while the next picture is loaded,
// browsers tell no size of it.
export function pictureSize() {
  const { width, height } = picture.getBoundingClientRect();
  across = picture.naturalWidth || across;
  return { width: width || 1, height: height || 1, scale: across / width || 1 };
}

export const isInside = ({ clientX, clientY }) => {
  const { left, right, top, bottom } = picture.getBoundingClientRect();
  return clientX >= left && clientX < right && clientY >= top && clientY < bottom;
};

// Make it larger or smaller; what is at this place of the page stays there, as far as the edges allow.
export function zoomBy(factor, { clientX, clientY }) {
  const box = picture.getBoundingClientRect();
  const wanted = Math.min(LARGEST, scale * factor);
  const next = wanted < NEAR && factor <= 1 ? 1 : Math.max(1, wanted);
  const grown = next / scale - 1;
  pan.x -= (clientX - box.left) * grown;
  pan.y -= (clientY - box.top) * grown;
  scale = next;
  show();
}

export function panBy(dx, dy) {
  pan.x += dx;
  pan.y += dy;
  show();
}

// Have the mouse see all of a larger picture: where it is in the screen, there it is in the picture.
export function follow({ clientX, clientY }) {
  if (!isZoomed()) return;
  const box = screen.getBoundingClientRect();
  const part = (distance, size) => Math.min(1, Math.max(0, distance / size));
  const slack = room();
  pan.x = part(clientX - box.left, box.width) * Math.min(0, slack.x) - picture.offsetLeft;
  pan.y = part(clientY - box.top, box.height) * Math.min(0, slack.y) - picture.offsetTop;
  show();
}

export function zoomOut() {
  scale = 1;
  show();
}

// How much of the screen the picture leaves free; less than nothing where it is larger.
const room = () => ({
  x: screen.clientWidth - picture.offsetWidth * scale,
  y: screen.clientHeight - picture.offsetHeight * scale,
});

// Where it fits, it is where the page's layout has it; where it does not, its edges stay out of sight.
function bounded(wanted, start, size, all) {
  const free = all - size * scale;
  if (free < 0) return Math.min(-start, Math.max(free - start, wanted));
  const share = all > size ? start / (all - size) : 0;
  return share * free - start;
}

function show() {
  const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = picture;
  pan = {
    x: bounded(pan.x, offsetLeft, offsetWidth, screen.clientWidth),
    y: bounded(pan.y, offsetTop, offsetHeight, screen.clientHeight),
  };
  picture.style.transform = isZoomed() ? `translate(${pan.x}px, ${pan.y}px) scale(${scale})` : "";
  button.hidden = !isZoomed();
}

// Safari tells a pinch on a Mac's trackpad so, and one of fingers, too, which come as pointers as well.
function watchGestures(hasFingers) {
  let before = 1;
  screen.addEventListener("gesturestart", (event) => {
    event.preventDefault();
    before = 1;
  });
  screen.addEventListener("gesturechange", (event) => {
    event.preventDefault();
    if (!hasFingers()) zoomBy(event.scale / before, event);
    before = event.scale;
  });
}

// :param hasFingers: tells whether fingers are on the screen
export function attachZoom(screenElement, pictureElement, hasFingers) {
  [screen, picture] = [screenElement, pictureElement];
  button = h("button", { id: "unzoom", type: "button", hidden: true, onclick: zoomOut }, t("touch.unzoom"));
  screen.after(button);
  watchGestures(hasFingers);
  picture.addEventListener("load", pictureSize);
  const sizes = new ResizeObserver(show);
  for (const element of [screen, picture]) sizes.observe(element);
}
