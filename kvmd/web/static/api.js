// The HTTP API; and where no socket can be had, what is typed and pointed: one request at a time, in order.

import { merge } from "./moves.js";
import { t } from "./words.js";

const TIMEOUT = 10000; // ms for a request
const HEADERS = { "X-Requested-With": "kvmd" }; // a proxy's HTTP Basic, which the browser adds, is none of the daemon's
const LATE = 2000; // ms after which nothing is typed any more
const MOST = 64; // inputs that wait

export class Refused extends Error {
  constructor(code, info) {
    super(info);
    this.code = code;
  }
}

// The answer's data; see ask.
export async function call(path, body, { timeout } = {}) {
  return (await ask(path, body, timeout)).data;
}

// The whole answer of a GET, or of a POST where there is a body.
export function ask(path, body, timeout) {
  return request(body ? "POST" : "GET", path, body, timeout);
}

// The whole answer; throws Refused, or an Error whose message says that there was none of the KVM's.
export async function request(method, path, body, timeout = TIMEOUT) {
  const options = { method, headers: HEADERS, signal: AbortSignal.timeout(timeout) };
  // what is short is done though the page is left; what is long, such as a text, ends with it
  if (body) Object.assign(options, { body: JSON.stringify(body), keepalive: timeout <= TIMEOUT });
  const response = await fetch(path, options).catch(() => fail("refused.unanswered"));
  const answer = await response.json().catch(() => fail("refused.strange", { code: response.status }));
  if (!response.ok) throw new Refused(response.status, answer.info);
  return answer;
}

function fail(name, places) {
  throw new Error(t(name, places));
}

const waiting = [];
let busy = false;

// Send a key or a mouse event after those before it; moves and turns that wait become one, keys and buttons never.
export function queue(path, body, isMove = false) {
  const last = waiting.at(-1);
  if (isMove && last?.isMove && merge(last.body, body)) last.since = performance.now();
  else if (waiting.length < MOST || letsGo(body)) add({ path, body: { ...body }, isMove });
  else tellSent(new Error(t("refused.late")));
}

// Do something else after those before it; what comes later waits for its end, but no longer than it may.
// :param act: called with whether it is late; its promise never fails
export function inTurn(act) {
  add({ act });
}

function add(entry) {
  waiting.push({ ...entry, since: performance.now() });
  if (!busy) work();
}

// For a page that goes: nothing of what waits is sent any more, and these at once.
export function sendLast(...requests) {
  waiting.length = 0;
  for (const [path, body] of requests) call(path, body).catch(() => {});
}

async function work() {
  busy = true;
  while (waiting.length) {
    const { act, path, body, since } = waiting.shift();
    const late = performance.now() - since > LATE;
    if (act) await Promise.race([act(late), new Promise((go) => setTimeout(go, LATE))]);
    else await send(path, body, late);
  }
  busy = false;
}

// Of what lets go only a refusal is told: that it was done would take the words away that a refused press has left.
async function send(path, body, late) {
  if (late && !letsGo(body)) return tellSent(new Error(t("refused.late")));
  const error = await call(path, body).then(() => null, (reason) => reason);
  if (error || !letsGo(body)) tellSent(error);
}

const tellSent = (error) => dispatchEvent(new CustomEvent("sent", { detail: error }));
const letsGo = (body) => body.release || body.release_all || body.buttons?.length === 0;
