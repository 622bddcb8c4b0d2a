// The screen's panel: what comes, how much of it, and keeping it.

import { call } from "../api.js";
import { h } from "../dom.js";
import { download } from "../files.js";
import { kvm } from "../kvm.js";
import { latestPicture, pictureAge, pictureRates } from "../pictures.js";
import { pref, setPref } from "../prefs.js";
import { markRegion, readRegion } from "../reading.js";
import { canRecord, isRecording, recordedSeconds, startRecording, stopRecording } from "../recorder.js";
import { way } from "../socket.js";
import { t } from "../words.js";
import { edidPart } from "./edid.js";
import { attempt, button, choice, part, tell } from "./parts.js";

const EVERY = 1000; // ms between two looks at the numbers
const LIMITS = [30, 15, 10, 5, 1]; // pictures a second

export function build(element) {
  element.append(facts(), flow(), keep(), reading(), edidPart());
}

function facts() {
  const list = h("dl", { class: "facts" });
  const show = () => {
    if (!list.isConnected) return;
    const { capture = {} } = kvm.status;
    const { fps, bits } = pictureRates();
    const size = capture.resolution;
    const rows = {
      resolution: size ? `${size.width}×${size.height}` : "–",
      format: capture.format ?? "–",
      rate: t("picture.rate_value", { fps: fps.toFixed(fps < 10 ? 1 : 0) }),
      bits: t("picture.bits_value", { kbit: Math.round(bits / 1000) }),
      age: pictureAge() ? t("status.age", { ms: Math.round(pictureAge()) }) : "–",
      device: capture.device || "–",
    };
    const row = ([name, value]) => [h("dt", {}, t(`picture.${name}`)), h("dd", { id: `picture-${name}` }, value)];
    list.replaceChildren(...Object.entries(rows).flatMap(row));
  };
  setInterval(show, EVERY);
  requestAnimationFrame(show);
  return part(t("picture.now"), list);
}

function flow() {
  const qualities = Object.fromEntries(["high", "medium", "low"].map((name) => [name, t(`picture.${name}`)]));
  const rates = { 0: t("picture.fps_all") };
  for (const fps of LIMITS) rates[fps] = t("picture.fps_value", { fps });
  const choices = [
    choice(t("picture.quality"), qualities, pref("quality", "high"), (name) => setPref("quality", name)),
    choice(t("picture.fps"), rates, pref("fps", 0), (fps) => setPref("fps", Number(fps))),
  ];
  const note = h("p", { class: "note" }, t("picture.no_choice"));
  const show = () => {
    for (const each of choices) each.hidden = way() === "none";
    note.hidden = way() !== "none";
  };
  kvm.addEventListener("clients", show);
  show();
  return part("", ...choices, note);
}

function keep() {
  const keepOne = () => latestPicture() && download(latestPicture(), "jpg");
  const save = button(t("picture.save"), keepOne, { drawing: "camera", class: "row" });
  const copy = button(t("picture.copy"), copyPicture, { drawing: "copy", class: "row" });
  return part(t("picture.keep"), save, copy, recording());
}

function recording() {
  if (!canRecord()) return h("p", { class: "note" }, t("picture.no_record"));
  const record = button(t("picture.record"), () => attempt(toggle), { drawing: "record", class: "row" });
  const toggle = async () => {
    if (isRecording()) return stopRecording();
    if (!latestPicture()) return tell(t("picture.none"), true);
    await startRecording((video) => download(video, video.type.split("/")[1]));
    show();
  };
  const show = () => {
    const seconds = recordedSeconds();
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    record.lastChild.textContent = isRecording() ? t("picture.stop", { time }) : t("picture.record");
    record.setAttribute("aria-pressed", String(isRecording()));
  };
  setInterval(show, EVERY);
  return record;
}

// The text on a part of the screen, where the daemon can read it.
function reading() {
  const result = h("textarea", { readonly: true, rows: 5, hidden: true, "aria-label": t("reading.text") });
  const why = h("p", { class: "note" });
  const read = button(t("reading.mark"), () => attempt(async () => {
    why.textContent = t("reading.how");
    const region = await markRegion();
    why.textContent = region ? t("reading.reads") : "";
    if (!region) return;
    const text = await readRegion(region).finally(() => (why.textContent = ""));
    [result.value, result.hidden] = [text, false];
    why.textContent = text.trim() ? "" : t("reading.nothing");
  }), { drawing: "text", class: "row" });
  read.disabled = true;
  call("api/ocr").then(({ available, reason }) => {
    read.disabled = !available;
    why.textContent = reason ?? "";
  }, ({ code, message }) => (why.textContent = code === 404 ? t("reading.absent") : message));
  return part(t("reading.title"), read, why, result);
}

// Clipboards take PNG alone; a promise, as Safari asks for the permission while the click is still going on.
async function copyPicture() {
  if (!latestPicture()) return tell(t("picture.none"), true);
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": toPng(latestPicture()) })]);
    tell(t("picture.copied"));
  } catch {
    tell(t("picture.not_copied"), true);
  }
}

async function toPng(jpeg) {
  const image = await createImageBitmap(jpeg);
  const canvas = h("canvas", { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
