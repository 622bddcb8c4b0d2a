// The power menu: what the target does, and its buttons; what may lose work is asked about first.

import { ask } from "./api.js";

const LONGEST = 30000; // ms; a button may be held for 20 s, and the answer comes once it is up

// What each action needs, of what is wired, and where the target is as wished already.
const ACTIONS = {
  on: { needs: ["power_button", "wake"], idle: "on", lamp: "power_button" },
  off: { needs: ["power_button"], idle: "off", lamp: "power_button" },
  reset: { needs: ["reset_button"], idle: "off", question: "Reset the target? What is not saved there is lost." },
  force_off: { needs: ["power_button"], idle: "off", question: "Cut the target's power? What is not saved there is lost." },
  press: { needs: ["power_button"] },
};

const $ = (id) => document.getElementById(id);
let busy = false;

export function tellPower(power) {
  $("power").hidden = power.state === "absent";
  const words = power.state === "online" ? power.target : power.state;
  $("power-state").textContent = power.press ? `${power.press.button} pressed` : words;
  $("power-state").dataset.target = power.state === "online" ? power.target : "unknown";
  $("power-button").title = power.reason;
  $("disk").hidden = power.disk_active === null;
  $("disk").classList.toggle("lit", power.disk_active === true);
  for (const item of document.querySelectorAll("#power-menu button")) tellItem(item, power);
}

function tellItem(item, power) {
  const reason = refusal(ACTIONS[item.value], power);
  item.disabled = busy || Boolean(reason);
  item.title = reason;
}

// Why an action cannot be taken now; empty if it can.
function refusal(action, power) {
  if (power.state !== "online") return power.reason;
  const able = power.capabilities;
  if (!action.needs.some((name) => able.includes(name))) return "Nothing is wired that could.";
  if (action.idle === power.target) return `The target is ${power.target}.`;
  if (able.includes(action.lamp) && power.target === "unknown") return "Nothing tells whether the target is on: press the button instead.";
  return power.press ? "A button is pressed." : "";
}

// :param done: told what was done
// :param failed: told the error
export function attachPower(done, failed) {
  const menu = $("power-menu");
  $("power-button").addEventListener("click", () => open(menu.hidden));
  document.addEventListener("pointerdown", (event) => $("power").contains(event.target) || open(false));
  $("power").addEventListener("keydown", (event) => move(event));
  menu.addEventListener("click", async (event) => {
    const item = event.target.closest("button");
    if (!item) return;
    open(false);
    const { question } = ACTIONS[item.value];
    if (question && !(await confirmed(question, item.textContent))) return;
    await act(item.value).then(done, failed);
  });
}

function open(wanted) {
  $("power-menu").hidden = !wanted;
  $("power-button").setAttribute("aria-expanded", String(wanted));
  if (wanted) $("power-menu").querySelector("button:enabled")?.focus();
}

function move(event) {
  if ($("power-menu").hidden) return;
  const items = [...document.querySelectorAll("#power-menu button:enabled")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
  else if (event.key === "Escape") open(false), $("power-button").focus();
  else return;
  event.preventDefault();
}

async function act(action) {
  busy = true;
  try {
    return (await ask("api/power", { action }, LONGEST)).info;
  } finally {
    busy = false;
  }
}

function confirmed(question, words) {
  const dialog = $("question");
  $("question-words").textContent = question;
  $("question-yes").textContent = words.replace("…", "");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
