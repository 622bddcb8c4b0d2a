// The text's panel: a text is written or pasted here, and typed on the computer.

import { call } from "../api.js";
import { h } from "../dom.js";
import { onPref, pref, setPref } from "../prefs.js";
import { cancelText, texts, typeText } from "../texts.js";
import { t } from "../words.js";
import { button, choice, part, tell } from "./parts.js";

const DELAYS = [0, 10, 30, 100]; // ms from one key to the next

export function build(element) {
  const box = h("textarea", { id: "text", rows: 6, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const secret = h("input", { id: "secret", type: "password", autocomplete: "off", hidden: true });
  const hide = h("input", { type: "checkbox", onchange: () => swap(box, secret, hide.checked) });
  const type = button(t("text.type"), () => start(hide.checked ? secret : box), { class: "main" });
  element.append(
    part(
      "",
      h("label", {}, t("text.box"), box, secret),
      h("label", { class: "check" }, hide, t("text.secret")),
      type,
      progress(type),
    ),
    part("", layouts(), delays(), h("p", { class: "note" }, t("text.note"))),
  );
}

// What is secret is not shown, and does not stay.
function swap(box, secret, isSecret) {
  [box.hidden, secret.hidden] = [isSecret, !isSecret];
  if (isSecret) secret.value = box.value;
  box.value = "";
  if (!isSecret) secret.value = "";
}

function start(from) {
  if (!from.value) return from.focus();
  typeText(from.value);
  if (from.type === "password") from.value = "";
}

function progress(type) {
  const bar = h("progress", { "aria-label": t("text.progress") });
  const cancel = button(t("text.cancel"), cancelText);
  const row = h("div", { class: "row", hidden: true }, bar, cancel);
  const show = ({ detail: { state, typed, length, info } }) => {
    [bar.max, bar.value] = [length, typed];
    row.hidden = state !== "typing";
    type.disabled = state === "typing";
    if (state !== "typing") tell(info, state === "refused");
  };
  texts.addEventListener("text", show);
  return row;
}

function layouts() {
  const label = choice(t("text.layout"), { "": "…" }, "", (name) => setPref("layout", name));
  const select = label.querySelector("select");
  select.id = "layout";
  const mark = () => (select.value = pref("layout", ""));
  onPref("layout", mark);
  call("api/layouts").then(({ default: usual, layouts: all }) => {
    const named = (name) => all.find((each) => each.name === name)?.title ?? name;
    const options = [["", t("text.layout_default", { layout: named(usual) })], ...all.map(({ name, title }) => [name, `${title} – ${name}`])];
    select.replaceChildren(...options.map(([value, words]) => h("option", { value }, words)));
    mark();
  }, ({ message }) => tell(message, true));
  return label;
}

function delays() {
  const options = Object.fromEntries(DELAYS.map((ms) => [ms, ms ? t("text.delay_value", { ms }) : t("text.delay_none")]));
  return choice(t("text.delay"), options, pref("delay", 10), (ms) => setPref("delay", Number(ms)));
}
