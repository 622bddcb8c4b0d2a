// How things stand: capture, HID, lamps, and what a person should know.

import { canCapture, setMouse } from "./mouse.js";
import { pictureAge } from "./pictures.js";
import { tellPower } from "./power.js";

const OLD = 1000; // ms; a picture of this age is worth a word

const $ = (id) => document.getElementById(id);

// The state and its reason; many a reason begins with the state.
function why({ state, reason }) {
  return reason.startsWith(state) ? reason : `${state}: ${reason}`;
}

function tellRole(id, role, more) {
  const element = $(id);
  element.dataset.state = role.state;
  element.textContent = role.state === "online" ? more : why(role);
  element.title = role.reason;
}

function tellLeds(leds) {
  const lamps = Object.entries(leds ?? {}).map(([name, lit]) => {
    const lamp = document.createElement("span");
    lamp.className = lit ? "led lit" : "led";
    lamp.textContent = `${name[0].toUpperCase()}${name.slice(1)}`;
    return lamp;
  });
  $("leds").replaceChildren(...lamps);
}

function tellMouse(hid) {
  if (hid.state === "online") $("hint").textContent = setMouse(hid.capabilities);
  $("capture-mouse").hidden = !canCapture();
}

export function tellStatus({ capture, hid, power }) {
  const size = capture.resolution ? `${capture.resolution.width}×${capture.resolution.height} ` : "";
  tellRole("capture", capture, `${size}${capture.format ?? ""} ${capture.captured_fps} fps`);
  tellRole("hid", hid, hid.device);
  tellLeds(hid.leds);
  tellPower(power);
  const remarks = [...capture.remarks, ...hid.remarks, ...power.remarks];
  if (!["online", "absent"].includes(power.state)) remarks.push(`power: ${why(power)}`);
  if (pictureAge() > OLD) remarks.push(`the picture is ${Math.round(pictureAge() / 1000)} s old: the network is slow`);
  $("remarks").textContent = remarks.join("; ");
  tellMouse(hid);
}
