// Text that becomes keys: each followed to its end, and none before what was typed and pointed until then.

import { ask, call, inTurn, request } from "./api.js";
import { pref } from "./prefs.js";
import { daemonsNow, say, way } from "./socket.js";
import { t } from "./words.js";

const LONGEST = 10000; // characters of one: as JSON they are less than a message may have (64 KiB), whatever they are
const FOLLOWED = 1000; // ms; what is typed in less may be followed by another before its end: the daemon has that wait
const QUICKEST = 10; // ms for a character, as far as one can expect
const EVERY = 500; // ms between two looks at how far it is, where requests carry it
const WITHIN = 3600000; // ms for all of it

// Tells how far a text is: "text", whose detail is {state, typed, length, info}; state: typing, done, or refused.
export const texts = new EventTarget();

const waiting = [];
const sent = new Map(); // by id: the length, and whether it was cancelled; in order
let number = 0;

const tell = (state, typed, length, info = "") => {
  texts.dispatchEvent(new CustomEvent("text", { detail: { state, typed, length, info } }));
};

// Type a text after those before it, on the layout of the preferences.
export function typeText(text) {
  for (let rest = [...text]; rest.length; rest = rest.slice(LONGEST)) waiting.push(rest.slice(0, LONGEST));
  sendSome();
}

// Stop it, and those that wait.
export function cancelText() {
  waiting.length = 0;
  for (const each of sent.values()) each.cancelled = true;
  if (way() === "none") request("DELETE", "api/text").catch(() => {});
  else say({ type: "cancel_text" });
}

const underWay = () => [...sent.values()].reduce((sum, { length }) => sum + length, 0);

// Words from an input method follow one another at once, as keys do; a long text has to end before the next.
function sendSome() {
  const delay = pref("delay", 10);
  while (waiting.length && underWay() * Math.max(delay, QUICKEST) < FOLLOWED) {
    const characters = waiting.shift();
    const id = -++number;
    sent.set(id, { length: characters.length, cancelled: false });
    if (sent.size === 1) tell("typing", 0, characters.length);
    transmit(id, characters.join(""), delay);
  }
}

function transmit(id, text, delay) {
  const layout = pref("layout", "");
  const body = { text, delay, ...(layout ? { layout } : {}) };
  if (way() === "none") inTurn((late) => typeByRequest(id, body, late));
  else if (way() !== "open" || !say({ type: "text", id, ...body, at: daemonsNow() })) end(id, "refused", t("refused.line"));
}

function end(id, state, info) {
  const { length } = sent.get(id);
  sent.delete(id);
  if (state === "refused") waiting.length = 0;
  if (state === "refused" || !sent.size) tell(state, state === "done" ? length : 0, length, info);
  sendSome();
}

// What the socket says of a text.
// :return: whether it is of one
export function hearText({ type, id, typed, info }) {
  if (!sent.has(id)) return false;
  if (type === "typed") tell("typing", typed, sent.get(id).length);
  else end(id, type, info);
  return true;
}

// The line is gone, and what was being typed with it: the daemon stops.
export function loseText() {
  if (way() !== "none") for (const id of [...sent.keys()]) end(id, "refused", t("refused.line"));
}

async function typeByRequest(id, body, late) {
  const { length, cancelled } = sent.get(id);
  if (late || cancelled) return end(id, "refused", t("refused.late"));
  const look = () => call("api/text").then(({ typed }) => sent.has(id) && tell("typing", typed, length), () => {});
  const looking = setInterval(look, EVERY);
  try {
    const { info } = await ask("api/text", body, WITHIN);
    end(id, "done", info);
  } catch (error) {
    end(id, "refused", error.code ? error.message : t("refused.line"));
  } finally {
    clearInterval(looking);
  }
}
