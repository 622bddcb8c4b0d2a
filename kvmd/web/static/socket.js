// The socket, /api/ws: opened, and opened again when it ends; and the daemon's clock. docs/socket.md has its messages.

import { call } from "./api.js";
import { t } from "./words.js";

const HELLO_WITHIN = 5000; // ms; a proxy that knows no WebSocket may keep the handshake without a word
const PING_EVERY = 500; // ms; the daemon lets go of what is held after 2 s without a word
const STALLED = 1500; // ms without an answer
const DEAD = 6000; // ms without an answer, after which another connection is tried
const SHORTEST = 500; // ms between two tries, doubled each time
const LONGEST = 10000;
const TRIES = 3; // refused handshakes after which a proxy is held to have ceased to pass them on
const LOGGED_OUT = 4401;
const TOO_MANY = 4429;

const CLOCK_SPAN = 60000; // ms

// How far the daemon's clock is ahead of ours: the most that any message of the last minute showed, as that one was held
// up the least. Those that a later one surpasses are forgotten, so that the first is the greatest.
class Clock {
  #samples = [];

  hear(now) {
    const when = performance.now();
    const ahead = now - when;
    while (this.#samples.length && this.#samples.at(-1).ahead <= ahead) this.#samples.pop();
    this.#samples.push({ when, ahead });
    while (when - this.#samples[0].when > CLOCK_SPAN) this.#samples.shift();
  }

  get now() {
    return performance.now() + (this.#samples[0]?.ahead ?? 0);
  }
}

let clock = new Clock();
let told = {};
let socket = null;
let state = "shut"; // or: opening, open, stalled, waiting (to try again), none (none can be had)
let heard = 0; // when something came last
let failures = 0;
let had = false; // a hello since the console was opened
let ended = null; // the daemon's last words
let asked = 0; // when we pinged last
let retry, watch, helloTimer;

export const way = () => state;
export const daemonsNow = () => clock.now;

// Open it, and keep it open.
// :param handlers: by the type of what comes, and: picture (an ArrayBuffer), state (its name, a reason), loggedOut (why)
export function connect(handlers) {
  told = handlers;
  [failures, had, ended] = [0, false, null];
  clearInterval(watch);
  watch = setInterval(look, PING_EVERY / 2);
  open();
}

export function disconnect() {
  clearInterval(watch);
  drop();
  state = "shut";
}

// Send a message, if the socket is there; tell whether it is.
export function say(message) {
  if ((state !== "open" && state !== "stalled") || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

// For who comes back to the page, or to the network: try at once, and take no silence for the network's.
export function wake() {
  if (state === "waiting") open();
  if (state !== "open") return;
  heard = performance.now();
  say({ type: "ping" });
}

function turn(next, reason = "") {
  if (state === next) return;
  state = next;
  told.state?.(next, reason);
}

function drop() {
  clearTimeout(retry);
  clearTimeout(helloTimer);
  if (!socket) return;
  for (const name of ["onmessage", "onclose"]) socket[name] = null;
  socket.close();
  socket = null;
}

function open() {
  drop();
  if (state !== "waiting") state = "opening"; // else what was told stays, until a hello
  const address = new URL("api/ws", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  ended = null;
  try {
    socket = new WebSocket(address);
  } catch {
    return void failed(); // Safari before 16 takes 'self' of the content security policy for http alone
  }
  socket.binaryType = "arraybuffer";
  socket.onmessage = hear;
  socket.onclose = () => closed();
  helloTimer = setTimeout(closed, HELLO_WITHIN);
}

function hear({ data }) {
  heard = performance.now();
  if (state === "stalled") turn("open");
  if (typeof data !== "string") return void told.picture(data);
  const message = JSON.parse(data);
  clock.hear(message.now);
  if (message.type === "hello") greet();
  if (message.type === "ended") ended = message;
  told[message.type]?.(message);
}

function greet() {
  clearTimeout(helloTimer);
  [failures, had] = [0, true];
  turn("open");
}

// A hidden page holds nothing, and its timers are late.

function look() {
  if (document.hidden || (state !== "open" && state !== "stalled")) return;
  const now = performance.now();
  if (now - heard > DEAD) return closed();
  if (now - heard > STALLED) turn("stalled");
  if (now - asked < PING_EVERY) return;
  asked = now;
  say({ type: "ping" });
}

function closed() {
  const greeted = state === "open" || state === "stalled";
  drop();
  clock = new Clock();
  if (ended?.code === LOGGED_OUT) return leave(t("login.ended", { reason: ended.reason }));
  if (greeted || ended) tryAgain(ended?.reason);
  else failed();
}

function leave(reason) {
  disconnect();
  told.loggedOut(reason);
}

function tryAgain(reason) {
  const wait = ended?.code === TOO_MANY ? LONGEST / 2 : Math.min(LONGEST, SHORTEST * 2 ** failures++);
  clearTimeout(retry);
  turn("waiting", reason);
  retry = setTimeout(open, wait * (1 + Math.random()));
}

// A page cannot read how a handshake was answered; a request can tell whether it is the login, the network, or a proxy.
async function failed() {
  const error = await call("api/me", null, { timeout: HELLO_WITHIN }).then(() => null, (reason) => reason);
  if (state !== "opening" && state !== "waiting") return;
  if (error?.code === 401) leave(error.message);
  else if (!error && (!had || failures >= TRIES)) turn("none");
  else tryAgain();
}
