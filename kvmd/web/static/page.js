// The page: log in, see the screen, type and point into it; over the socket, or by requests where none can be had.

import { call, sendLast } from "./api.js";
import { allow } from "./input.js";
import { attachKeyboard, forgetKeys, releaseKeys, renewKeys } from "./keyboard.js";
import { attachLogin, openLogin } from "./login.js";
import { attachMouse, capture, forgetButtons, releaseButtons, renewButtons } from "./mouse.js";
import { attachPictures, showPictures, take } from "./pictures.js";
import { attachPower } from "./power.js";
import { connect, disconnect, say, wake, way } from "./socket.js";
import { tellStatus } from "./status.js";

const STATUS_EVERY = 1000; // ms
const STATUS_WITHIN = 1500; // ms, after which the connection counts as lost
const RENEW_EVERY = 3000; // ms; the daemon releases what a client holds that is silent for longer (hid.hold_timeout)
const REFUSALS = { late: "Not typed: it came too late.", early: "Not typed: the clocks differ; try again." };

const $ = (id) => document.getElementById(id);
let timers = [];
let status = {};
let number = 0; // of our socket

const isOpen = () => !$("console").hidden;

function show(error) {
  if (error.code === 401) showLogin(error.message);
  else $("problem").textContent = error.message;
}

// What became of an action on the power; its refusal stays, whatever is typed and pointed meanwhile.
function tellAction(done, error) {
  if (error?.code === 401) return showLogin(error.message);
  $("action").textContent = error ? error.message : done && `Power: ${done}.`;
  $("action").classList.toggle("refused", Boolean(error));
}

// What is wrong with the connection; empty while nothing is.
function tellLine(words) {
  $("console").classList.toggle("lost", Boolean(words));
  if ($("line").textContent !== words) $("line").textContent = words;
}

function releaseAll() {
  releaseKeys();
  releaseButtons();
}

function forgetAll() {
  forgetKeys();
  forgetButtons();
}

function tellMe(role) {
  allow(role !== "viewer");
  $("console").classList.toggle("viewer", role === "viewer");
  if (status.hid) tellStatus(status);
}

const SAID = {
  hello({ number: ours, role }) {
    number = ours;
    tellMe(role);
    showPictures(true);
  },
  clients({ clients }) {
    const we = clients.find((client) => client.number === number);
    if (we) tellMe(we.role);
  },
  status({ status: changed }) {
    tellStatus(Object.assign(status, changed));
  },
  picture: take,
  done() {
    $("problem").textContent = "";
  },
  refused({ reason, info }) {
    if (reason !== "denied") $("problem").textContent = REFUSALS[reason] ?? info;
  },
  released({ reason }) {
    forgetAll();
    $("problem").textContent = `Keys and buttons were released: this page ${reason}.`;
  },
  loggedOut: showLogin,
  state: tellState,
};

function tellState(state, reason) {
  if (state === "open") tellLine("");
  if (state === "stalled") tellLine("The KVM does not answer; nothing is typed.");
  if (state === "waiting") tellLine(`Connection lost${reason ? ` (${reason})` : ""}; connecting again…`);
  if (state === "stalled" || state === "waiting") {
    forgetAll();
    say({ type: "release_all" });
  }
  if (state === "none") useRequests();
}

function useRequests() {
  tellLine("");
  showPictures(true);
  timers = [setInterval(askStatus, STATUS_EVERY), setInterval(renew, RENEW_EVERY)];
  askStatus();
}

function renew() {
  renewKeys();
  renewButtons();
}

let asking = false;
async function askStatus() {
  if (asking) return;
  asking = true;
  const answer = await ask();
  asking = false;
  if (way() !== "none") return;
  if (answer instanceof Error) return answer.code ? show(answer) : tellLine("Connection lost; connecting again…");
  if ($("console").classList.contains("lost")) showPictures(true);
  tellLine("");
  tellMe(answer.me.role);
  tellStatus((status = answer.status));
}

async function ask() {
  try {
    const within = { timeout: STATUS_WITHIN };
    const [me, now] = await Promise.all([call("api/me", null, within), call("api/status", null, within)]);
    return { me, status: now };
  } catch (error) {
    return error;
  }
}

function showConsole() {
  $("login").hidden = true;
  $("console").hidden = false;
  for (const id of ["problem", "action"]) $(id).textContent = "";
  $("screen").focus();
  status = {};
  connect(SAID);
}

function close() {
  timers.forEach(clearInterval);
  timers = [];
  disconnect();
  forgetAll();
  showPictures(false);
}

// :param reason: why the session has ended, or none is there
function showLogin(reason = "") {
  close();
  tellLine("");
  $("console").hidden = true;
  openLogin(reason);
}

// At first; who was never logged in needs no reason.
function begin() {
  call("api/me").then(showConsole, ({ message }) => showLogin(message.startsWith("log in first") ? "" : message));
}

$("logout").addEventListener("click", async () => {
  close();
  await call("api/logout", {}).catch(() => {});
  showLogin();
});

addEventListener("sent", ({ detail: error }) => {
  if (error) show(error);
  else $("problem").textContent = "";
});

attachLogin(showConsole);
attachKeyboard($("screen"));
attachMouse($("screen"), $("stream"));
attachPictures($("stream"));
attachPower(tellAction);
$("capture-mouse").addEventListener("click", capture);
$("screen").addEventListener("blur", releaseAll);
document.addEventListener("pointerlockchange", () => status.hid && tellStatus(status));
document.addEventListener("visibilitychange", () => (document.hidden ? releaseAll() : wake()));
addEventListener("online", wake);
addEventListener("pagehide", () => {
  if (!isOpen()) return;
  if (way() === "none") sendLast(["api/keyboard", { release_all: true }], ["api/mouse", { buttons: [] }]);
  close();
});
addEventListener("pageshow", ({ persisted }) => persisted && begin());

begin();
