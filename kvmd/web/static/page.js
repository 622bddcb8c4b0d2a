// The page: log in, see the stream, type and point into it, see how things stand.

import { call, sendLast } from "./api.js";
import { attachKeyboard, forgetKeys, releaseKeys, renewKeys } from "./keyboard.js";
import { attachMouse, canCapture, capture, forgetButtons, releaseButtons, renewButtons, setMouse } from "./mouse.js";
import { attachPower, tellPower } from "./power.js";

const STATUS_EVERY = 1000; // ms
const RENEW_EVERY = 3000; // ms; the daemon releases what a client holds that is silent for longer (hid.hold_timeout)

const $ = (id) => document.getElementById(id);
let timers = [];

function show(error) {
  if (error.code === 401) showLogin();
  else {
    $("problem").textContent = error.message;
  }
}

// What became of an action on the power; its refusal stays, whatever is typed and pointed meanwhile.
function tellAction(done, error) {
  if (error?.code === 401) return showLogin();
  $("action").textContent = error ? error.message : done && `Power: ${done}.`;
  $("action").classList.toggle("refused", Boolean(error));
  tellStatus();
}

function releaseAll() {
  releaseKeys();
  releaseButtons();
}

function renew() {
  renewKeys();
  renewButtons();
}

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

async function tellStatus() {
  try {
    const { capture, hid, power } = await call("api/status");
    const size = capture.resolution ? `${capture.resolution.width}×${capture.resolution.height} ` : "";
    tellRole("capture", capture, `${size}${capture.format ?? ""} ${capture.captured_fps} fps`);
    tellRole("hid", hid, hid.device);
    tellLeds(hid.leds);
    tellPower(power);
    const remarks = [...capture.remarks, ...hid.remarks, ...power.remarks];
    if (!["online", "absent"].includes(power.state)) remarks.push(`power: ${why(power)}`);
    $("remarks").textContent = remarks.join("; ");
    tellMouse(hid);
  } catch (error) {
    show(error);
  }
}

function showConsole() {
  $("login").hidden = true;
  $("console").hidden = false;
  for (const id of ["problem", "action"]) $(id).textContent = "";
  $("stream").src = `stream?${Date.now()}`; // a new address, or the browser shows the end of the old stream
  $("screen").focus();
  timers = [setInterval(tellStatus, STATUS_EVERY), setInterval(renew, RENEW_EVERY)];
  tellStatus();
}

function showLogin() {
  timers.forEach(clearInterval);
  forgetKeys();
  forgetButtons();
  $("stream").removeAttribute("src");
  $("console").hidden = true;
  $("login").hidden = false;
  $("login").elements.password.focus();
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    await call("login_api", Object.fromEntries(form));
    $("refusal").textContent = "";
    event.target.elements.password.value = "";
    showConsole();
  } catch (error) {
    $("refusal").textContent = error.message;
  }
});

$("logout").addEventListener("click", async () => {
  await call("api/logout", {}).catch(() => {});
  showLogin();
});

$("stream").addEventListener("error", () => {
  if (!$("console").hidden) setTimeout(() => ($("stream").src = `stream?${Date.now()}`), STATUS_EVERY);
});

addEventListener("sent", ({ detail: error }) => {
  if (error) show(error);
  else $("problem").textContent = "";
});

attachKeyboard($("screen"));
attachMouse($("screen"), $("stream"));
attachPower(tellAction);
$("capture-mouse").addEventListener("click", capture);
$("screen").addEventListener("blur", releaseAll);
document.addEventListener("pointerlockchange", tellStatus);
addEventListener("pagehide", () => {
  if (!$("console").hidden) sendLast(["api/keyboard", { release_all: true }], ["api/mouse", { buttons: [] }]);
});

call("api/status").then(showConsole, showLogin);
