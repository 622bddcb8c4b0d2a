// Text that becomes keys: one after the other, each followed to its end.

import { ask, call, request } from "./api.js";
import { pref } from "./prefs.js";
import { say, way } from "./socket.js";
import { t } from "./words.js";

const LONGEST = 50000; // characters of one, see docs/text.md
const EVERY = 500; // ms between two looks at how far it is, where requests carry it
const WITHIN = 3600000; // ms for all of it

// Tells how far a text is: "text", whose detail is {state, typed, length, info}; state: typing, done, or refused.
export const texts = new EventTarget();

const waiting = [];
let current = null; // {id, text, length}
let number = 0;

const tell = (state, typed, info = "") => {
  texts.dispatchEvent(new CustomEvent("text", { detail: { state, typed, length: current.length, info } }));
};

// Type a text after those before it, on the layout of the preferences.
export function typeText(text) {
  for (let rest = [...text]; rest.length; rest = rest.slice(LONGEST)) waiting.push(rest.slice(0, LONGEST).join(""));
  if (!current) next();
}

// Stop it, and those that wait.
export function cancelText() {
  waiting.length = 0;
  if (way() === "none") request("DELETE", "api/text").catch(() => {});
  else say({ type: "cancel_text" });
}

function next() {
  const text = waiting.shift();
  current = text === undefined ? null : { id: -++number, text, length: [...text].length };
  if (!current) return;
  tell("typing", 0);
  const layout = pref("layout", "");
  const body = { text, delay: pref("delay", 10), ...(layout ? { layout } : {}) };
  if (way() === "none") typeByRequest(body);
  else if (!say({ type: "text", id: current.id, ...body })) end("refused", 0, t("refused.line"));
}

function end(state, typed, info) {
  if (!current) return;
  if (state === "refused") waiting.length = 0;
  tell(state, typed, info);
  next();
}

// What the socket says of a text.
// :return: whether it is of one
export function hearText({ type, id, typed, info }) {
  if (!current || id !== current.id) return false;
  if (type === "typed") tell("typing", typed);
  if (type === "done") end("done", current.length, info);
  if (type === "refused") end("refused", 0, info);
  return true;
}

// The line is gone, and what was being typed with it: the daemon stops.
export function loseText() {
  if (current && way() !== "none") end("refused", 0, t("refused.line"));
}

async function typeByRequest(body) {
  const look = () => call("api/text").then(({ typed }) => current && tell("typing", typed), () => {});
  const looking = setInterval(look, EVERY);
  try {
    const { info } = await ask("api/text", body, WITHIN);
    end("done", current.length, info);
  } catch (error) {
    end("refused", 0, error.message);
  } finally {
    clearInterval(looking);
  }
}
