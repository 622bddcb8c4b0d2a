// How things stand, in the bar and in the line below the screen.

import { $, write } from "./dom.js";
import { kvm } from "./kvm.js";
import { setMouse } from "./mouse.js";
import { pictureAge, pictureRates, pictureStands } from "./pictures.js";
import { tellPower } from "./power.js";
import { t } from "./words.js";

const OLD = 1000; // ms; a picture of this age is worth a word
const STANDS = 2000; // ms; the daemon sends one each second, changed or not
const EVERY = 500; // ms between two looks at the pictures

// The state and its reason; many a reason begins with the state.
function why({ state, reason }) {
  const name = t(`state.${state}`);
  return !reason || reason.startsWith(state) ? reason || name : `${name}: ${reason}`;
}

function tellChip(id, role, words) {
  const chip = $(id);
  chip.dataset.state = role.state;
  write(chip, role.state === "online" ? words : why(role));
  chip.title = role.reason || chip.textContent;
}

function tellPicture({ capture }) {
  if (!capture) return;
  const size = capture.resolution;
  const fps = pictureRates().fps || capture.captured_fps;
  tellChip("capture", capture, size ? t("status.picture", { ...size, fps: Math.round(fps) }) : "");
}

function tellLeds(leds) {
  const lamps = Object.entries(leds ?? {}).map(([name, lit]) => {
    const lamp = document.createElement("span");
    lamp.className = lit ? "led lit" : "led";
    lamp.textContent = t(`lamp.${name}`);
    return lamp;
  });
  $("leds").replaceChildren(...lamps);
}

function tellRemarks({ capture, hid, power }) {
  const remarks = [...capture.remarks, ...hid.remarks, ...power.remarks];
  if (!["online", "absent"].includes(power.state)) remarks.push(`${t("power.title")}: ${why(power)}`);
  write($("remarks"), remarks.join("; "));
}

// A picture that stands, or that is old, looks like one that lives.
function tellAge() {
  const stands = pictureStands();
  if (stands > STANDS) return t("line.stands", { seconds: Math.round(stands / 1000) });
  if (pictureAge() > OLD) return t("line.old", { seconds: Math.round(pictureAge() / 1000) });
  return "";
}

function tellStatus(status) {
  const { hid, power } = status;
  tellPicture(status);
  tellChip("hid", hid, hid.device);
  tellLeds(hid.leds);
  tellPower(power);
  tellRemarks(status);
  if (hid.state === "online") write($("hint"), setMouse(hid.capabilities));
}

function tellPeople() {
  const { clients, me } = kvm;
  const typist = clients.find(({ number, typing }) => typing && number !== me.number);
  const words = typist ? t("people.types", { who: typist.who }) : t("people.count", { count: clients.length });
  write($("here"), clients.length > 1 ? words : "");
}

// :param tellLine: told what is wrong with the picture, or nothing
export function attachStatus(tellLine) {
  const again = () => kvm.status.hid && tellStatus(kvm.status);
  kvm.on("status", again);
  kvm.on("me", again);
  kvm.on("clients", tellPeople);
  document.addEventListener("pointerlockchange", again);
  setInterval(() => {
    tellPicture(kvm.status);
    tellLine(tellAge());
  }, EVERY);
}
