// The power menu: what the target does, and its buttons; what may lose work is asked about first.

import { ask } from "./api.js";
import { $ } from "./dom.js";
import { confirmed } from "./question.js";
import { t } from "./words.js";

const LONGEST = 30000; // ms; a button may be held for 20 s, and the answer comes once it is up

// What each action needs, one of it, and what is said without; for which target it is refused, and why; what is asked
// before. All by the names of the words.
const ACTIONS = {
  on: {
    needs: ["power_button", "wake"],
    without: "no_button",
    refused: { on: "is_on", unknown: "no_lamp" },
  },
  off: {
    needs: ["power_button"],
    without: "no_button",
    refused: { off: "is_off", sleeping: "is_sleeping", unknown: "no_lamp" },
  },
  press: { needs: ["power_button"], without: "no_button" },
  reset: { needs: ["reset_button"], without: "no_reset", refused: { off: "is_off" }, question: "ask_reset" },
  force_off: { needs: ["power_button"], without: "no_button", refused: { off: "is_off" }, question: "ask_force_off" },
};

const items = () => [...document.querySelectorAll("#power-menu button")];

export function tellPower(power) {
  const online = power.state === "online";
  $("power").hidden = power.state === "absent";
  $("power-state").textContent = stateOf(power, online);
  $("power-state").dataset.target = online ? power.target : "lost";
  $("power-button").title = power.reason;
  $("disk").hidden = power.disk_active === null;
  $("disk").classList.toggle("lit", power.disk_active === true);
  for (const item of items()) tellItem(item, refusal(ACTIONS[item.value], power));
}

function stateOf(power, online) {
  if (power.press) return t(`power.pressed.${power.press.button}`);
  return online ? t(`power.state.${power.target}`) : t(`state.${power.state}`);
}

// A disabled item can be reached by the arrows still, and says why it is.
function tellItem(item, reason) {
  item.setAttribute("aria-disabled", String(Boolean(reason)));
  item.querySelector("small").textContent = reason;
}

// Why an action cannot be taken now; empty if it can.
function refusal(action, power) {
  const name = refusalName(action, power);
  return name && t(`power.${name}`);
}

function refusalName(action, power) {
  const able = power.capabilities;
  if (power.state !== "online") return "no_panel";
  if (!action.needs.some((name) => able.includes(name))) return action.without;
  const wakes = power.target === "unknown" && !able.includes("power_button");
  if (!wakes && action.refused?.[power.target]) return action.refused[power.target];
  return power.press ? "is_pressed" : "";
}

// :param tell: told what was done, or the error; an empty text when the menu opens
export function attachPower(tell) {
  $("power-button").addEventListener("click", () => {
    if (!$("power-menu").hidden) return close();
    open();
    tell("");
  });
  $("power").addEventListener("keydown", move);
  $("power").addEventListener("focusout", ({ relatedTarget: to }) => to && !$("power").contains(to) && close());
  document.addEventListener("pointerdown", ({ target }) => $("power").contains(target) || close());
  $("power-menu").addEventListener("click", async ({ target }) => {
    const item = target.closest("button");
    if (!item || item.getAttribute("aria-disabled") === "true") return;
    close();
    $("power-button").focus();
    const { question } = ACTIONS[item.value];
    if (question && !(await confirmed(t(`power.${question}`), t(`power.${item.value}`)))) return;
    await ask("api/power", { action: item.value }, LONGEST).then(({ info }) => tell(info), (error) => tell("", error));
  });
}

function open() {
  $("power-menu").hidden = false;
  $("power-button").setAttribute("aria-expanded", "true");
  items()[0].focus();
}

function close() {
  $("power-menu").hidden = true;
  $("power-button").setAttribute("aria-expanded", "false");
}

// The keys of a menu button (WAI-ARIA Authoring Practices, "Menu Button Pattern").
function move(event) {
  const all = items();
  const at = all.indexOf(document.activeElement);
  if ($("power-menu").hidden) {
    if (event.key !== "ArrowDown") return;
    $("power-button").click();
  } else if (event.key === "Escape") {
    close();
    $("power-button").focus();
  } else if (event.key === "ArrowDown") all[(at + 1) % all.length].focus();
  else if (event.key === "ArrowUp") all.at(Math.max(at, 0) - 1).focus();
  else if (event.key === "Home") all[0].focus();
  else if (event.key === "End") all.at(-1).focus();
  else return;
  event.preventDefault();
}
