// The HTTP API: one request at a time for what is typed and pointed, in the order in which it happened.

const TIMEOUT = 10000; // ms for a request

export class Refused extends Error {
  constructor(code, info) {
    super(info);
    this.code = code;
  }
}

// The answer's data; see ask.
export async function call(path, body) {
  return (await ask(path, body)).data;
}

// The whole answer; throws Refused, or the browser's own error.
export async function ask(path, body, timeout = TIMEOUT) {
  const options = { signal: AbortSignal.timeout(timeout) };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body), keepalive: true });
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.info);
  return answer;
}

const waiting = [];
let busy = false;

// Send a key or a mouse event after those before it; moves and turns that wait become one, keys and buttons never.
export function send(path, body, isMove = false) {
  const last = waiting.at(-1);
  if (isMove && last?.isMove && Object.keys(last.body).join() === Object.keys(body).join()) merge(last.body, body);
  else waiting.push({ path, body: { ...body }, isMove });
  if (!busy) work();
}

// Of places the latest counts, of steps the sum.
function merge(last, body) {
  for (const [name, value] of Object.entries(body)) last[name] = "x" in body ? value : last[name] + value;
}

// For a page that goes: nothing of what waits is sent any more, and these at once.
export function sendLast(...requests) {
  waiting.length = 0;
  for (const [path, body] of requests) call(path, body).catch(() => {});
}

async function work() {
  busy = true;
  while (waiting.length) {
    const { path, body } = waiting.shift();
    const detail = await call(path, body).then(() => null, (error) => error);
    dispatchEvent(new CustomEvent("sent", { detail }));
  }
  busy = false;
}
