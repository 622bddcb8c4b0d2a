// The panels beside the screen: one at a time; its file is loaded when it is first opened.

import { $, h } from "./dom.js";
import { pref, setPref } from "./prefs.js";
import { tool } from "./tool.js";
import { t } from "./words.js";

// In the order of the bar. `only`: the roles that see it; all where none is named.
const TYPISTS = ["operator", "admin"];
const PANELS = [
  { name: "keys", only: TYPISTS, load: () => import("./panels/keys.js") },
  { name: "text", only: TYPISTS, load: () => import("./panels/text.js") },
  { name: "mouse", only: TYPISTS, load: () => import("./panels/mouse.js") },
  { name: "picture", drawing: "screen", load: () => import("./panels/picture.js") },
  { name: "people", load: () => import("./panels/people.js") },
  { name: "access", drawing: "lock", only: ["admin"], load: () => import("./panels/access.js") },
  { name: "settings", load: () => import("./panels/settings.js") },
];

const built = new Map(); // the element of each that was opened once
let opened = "";
let role = "";

export function attachPanels() {
  const power = $("power");
  for (const panel of PANELS) {
    const open = () => (opened === panel.name ? closePanel() : openPanel(panel.name));
    const state = { "aria-expanded": "false", "aria-controls": "panel" };
    panel.button = tool(panel.drawing ?? panel.name, t(`${panel.name}.title`), open, state);
    power.before(panel.button);
  }
  $("panel-close").addEventListener("click", closePanel);
  $("panel").addEventListener("keydown", (event) => event.key === "Escape" && closePanel());
}

// Show what this role may use; and the panel that was open last, where there is room beside the screen.
export function allowPanels(newRole) {
  if (newRole === role) return;
  role = newRole;
  for (const panel of PANELS) panel.button.hidden = !allowed(panel);
  if (opened && !allowed(find(opened))) closePanel();
  const last = find(pref("panel", ""));
  if (last && !opened && matchMedia("(min-width: 1100px)").matches) openPanel(last.name, false);
}

const find = (name) => PANELS.find((panel) => panel.name === name);
const allowed = ({ only }) => !only || only.includes(role);

// :param focus: whether it takes the focus, so that one can go on by the keyboard
export async function openPanel(name, focus = true) {
  const panel = find(name);
  if (!allowed(panel)) return;
  opened = name;
  mark();
  $("panel-title").textContent = t(`${name}.title`);
  $("panel").hidden = false;
  $("panel-body").replaceChildren();
  if (!built.has(name)) built.set(name, await build(panel));
  if (opened !== name) return;
  $("panel-body").replaceChildren(built.get(name));
  if (focus) $("panel").focus();
  setPref("panel", name);
}

async function build(panel) {
  const element = h("div", { "data-panel": panel.name });
  (await panel.load()).build(element);
  return element;
}

export function closePanel() {
  const panel = find(opened);
  if (!panel) return;
  opened = "";
  setPref("panel", "");
  mark();
  const inside = $("panel").contains(document.activeElement);
  $("panel").hidden = true;
  $("panel-body").replaceChildren();
  if (inside) panel.button.focus();
}

function mark() {
  for (const { name, button } of PANELS) button.setAttribute("aria-expanded", String(name === opened));
}
