// The HTTP API; and where no socket can be had, what is typed and pointed: one request at a time, in order.

import { merge } from "./moves.js";
import { t } from "./words.js";

const TIMEOUT = 10000; // ms for a request
const HEADERS = { "X-Requested-With": "kvmd" }; // a proxy's HTTP Basic, which the browser adds, is none of the daemon's
const LATE = 2000; // ms after which nothing is typed any more

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

// The whole answer; throws Refused, or the browser's own error.
export async function request(method, path, body, timeout = TIMEOUT) {
  const options = { method, headers: HEADERS, signal: AbortSignal.timeout(timeout) };
  if (body) Object.assign(options, { body: JSON.stringify(body), keepalive: true });
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.info);
  return answer;
}

const waiting = [];
let busy = false;

// Send a key or a mouse event after those before it; moves and turns that wait become one, keys and buttons never.
export function queue(path, body, isMove = false) {
  const last = waiting.at(-1);
  if (isMove && last?.isMove && merge(last.body, body)) last.since = performance.now();
  else waiting.push({ path, body: { ...body }, isMove, since: performance.now() });
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
    const { path, body, since } = waiting.shift();
    const late = performance.now() - since > LATE && !letsGo(body);
    const detail = late ? new Error(t("refused.late")) : await attempt(path, body);
    dispatchEvent(new CustomEvent("sent", { detail }));
  }
  busy = false;
}

const letsGo = (body) => body.release || body.release_all || body.buttons?.length === 0;
const attempt = (path, body) => call(path, body).then(() => null, (error) => error);
