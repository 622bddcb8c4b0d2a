// Reading the text of a region that one marks on the picture.

import { ask } from "./api.js";
import { $, h } from "./dom.js";

const WITHIN = 40000; // ms; see docs/ocr.md
const SMALLEST = 0.01; // of the picture

// Have a region marked with the pointer; Escape gives up.
// :return: a promise of {left, top, width, height} in parts of the picture, or of null
export function markRegion() {
  const box = $("stream").getBoundingClientRect();
  const cover = h("div", { id: "cover", tabindex: "-1" });
  const mark = h("div", { id: "mark" });
  Object.assign(cover.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px` });
  cover.append(mark);
  document.body.append(cover);
  cover.focus();
  return new Promise((resolve) => follow(cover, mark, box, (region) => {
    cover.remove();
    resolve(region);
  }));
}

function follow(cover, mark, box, end) {
  let from = null;
  const part = (event) => ({
    x: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)),
    y: Math.min(1, Math.max(0, (event.clientY - box.top) / box.height)),
  });
  const region = (to) => ({
    left: Math.min(from.x, to.x),
    top: Math.min(from.y, to.y),
    width: Math.abs(to.x - from.x),
    height: Math.abs(to.y - from.y),
  });
  cover.addEventListener("pointerdown", (event) => {
    from = part(event);
    cover.setPointerCapture(event.pointerId);
  });
  cover.addEventListener("pointermove", (event) => {
    if (!from) return;
    for (const [name, share] of Object.entries(region(part(event)))) mark.style[name] = `${share * 100}%`;
  });
  cover.addEventListener("pointerup", (event) => {
    const marked = region(part(event));
    end(marked.width < SMALLEST || marked.height < SMALLEST ? null : marked);
  });
  cover.addEventListener("keydown", ({ key }) => key === "Escape" && end(null));
}

// :return: a promise of the text
export async function readRegion(region) {
  return (await ask("api/ocr", region, WITHIN)).data.text;
}
