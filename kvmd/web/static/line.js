// The line to the KVM: the socket, or requests where none can be had; what is known of it goes to kvm.js and to the user.

import { call } from "./api.js";
import { $, write } from "./dom.js";
import { forgetKeys, renewKeys } from "./keyboard.js";
import { kvm } from "./kvm.js";
import { forgetButtons, renewButtons } from "./mouse.js";
import { showPictures, take } from "./pictures.js";
import { connect, disconnect, say, way } from "./socket.js";
import { hearText, loseText } from "./texts.js";
import { t } from "./words.js";

const STATUS_EVERY = 1000; // ms
const STATUS_WITHIN = 1500; // ms, after which the connection counts as lost
const RENEW_EVERY = 3000; // ms; the daemon releases what a client holds that is silent for longer (hid.hold_timeout)
const AWAY = 5000; // ms; for how long the line was away is told from here on
const TOLD_FOR = 4000; // ms

let timers = [];
let lost = ""; // what is wrong with the line
let stale = ""; // what is wrong with the picture alone
let since = 0; // when the line was lost
let enter; // called with a reason, where a login is needed

function tellLost(words) {
  if (words && !lost) since = performance.now();
  const away = performance.now() - since;
  const back = lost && !words && away > AWAY;
  lost = words;
  $("console").classList.toggle("lost", Boolean(words));
  show(back ? t("line.back", { seconds: Math.round(away / 1000) }) : "");
  if (back) setTimeout(show, TOLD_FOR);
}

function show(words = "") {
  const text = lost || words || stale;
  write($("line"), text);
  $("line").hidden = !text;
}

// What is wrong with the picture, while nothing is with the line.
export function tellStale(words) {
  if (words === stale) return;
  stale = words;
  show();
}

export function tellError(error) {
  if (error.code === 401) enter(error.message);
  else $("problem").textContent = error.message;
}

const SAID = {
  hello({ number, who, role }) {
    kvm.tell("me", { number, who, role });
    showPictures(true);
  },
  clients({ clients, keyboard, typists }) {
    const me = clients.find((client) => client.number === kvm.me.number);
    if (me && me.role !== kvm.me.role) kvm.tell("me", { ...kvm.me, role: me.role });
    kvm.keyboard = keyboard;
    kvm.typists = typists;
    kvm.tell("clients", clients);
  },
  status({ status }) {
    kvm.tell("status", { ...kvm.status, ...status });
  },
  picture: take,
  done(message) {
    if (!hearText(message)) $("problem").textContent = "";
  },
  typed: hearText,
  refused(message) {
    if (hearText(message)) return;
    const { reason, info } = message;
    const words = ["late", "early"].includes(reason) ? t(`refused.${reason}`) : info;
    if (reason !== "denied") $("problem").textContent = words;
  },
  released({ reason }) {
    forgetAll();
    $("problem").textContent = t("released", { reason });
  },
  loggedOut: (reason) => enter(reason),
  state: tellState,
};

function forgetAll() {
  forgetKeys();
  forgetButtons();
}

function tellState(state, reason) {
  if (state === "open") tellLost("");
  if (state === "stalled") tellLost(t("line.stalled"));
  if (state === "waiting") tellLost(reason ? t("line.lost_because", { reason }) : t("line.lost"));
  if (state === "stalled" || state === "waiting") {
    forgetAll();
    say({ type: "release_all" });
  }
  if (state === "waiting") loseText();
  if (state === "none") useRequests();
}

function useRequests() {
  tellLost("");
  forgetOthers();
  showPictures(true);
  timers = [setInterval(askStatus, STATUS_EVERY), setInterval(renew, RENEW_EVERY)];
  askStatus();
}

// Nobody tells of them any more.
function forgetOthers() {
  kvm.keyboard = null;
  kvm.typists = [];
  kvm.tell("clients", []);
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
  if (answer instanceof Error) return answer.code ? tellError(answer) : tellLost(t("line.lost"));
  if (lost) showPictures(true);
  tellLost("");
  kvm.tell("me", { number: 0, who: answer.me.who, role: answer.me.role });
  kvm.tell("status", answer.status);
}

async function ask() {
  try {
    const within = { timeout: STATUS_WITHIN };
    const [me, status] = await Promise.all([call("api/me", null, within), call("api/status", null, within)]);
    return { me, status };
  } catch (error) {
    return error;
  }
}

export function openLine() {
  kvm.tell("status", {});
  connect(SAID);
}

export function closeLine() {
  timers.forEach(clearInterval);
  timers = [];
  disconnect();
  forgetAll();
  showPictures(false);
  tellLost("");
  stale = "";
  show();
}

// :param login: called with the reason, where a login is needed
export function attachLine(login) {
  enter = login;
}
