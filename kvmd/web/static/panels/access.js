// The panel of those who administer: users, sessions, API keys, what is wrong with the KVM, and who did what.

import { call, request } from "../api.js";
import { h } from "../dom.js";
import { confirmed } from "../question.js";
import { language, t } from "../words.js";
import { doctorPart } from "./doctor.js";
import { attempt, button, choice, field, folded, part } from "./parts.js";

const ROLES = ["viewer", "operator", "admin"];
const NEWEST = 50; // entries of the audit that are shown
const LINES = 200; // of the log

const roles = () => Object.fromEntries(ROLES.map((role) => [role, t(`people.role.${role}`)]));
const at = (time) => new Date(time).toLocaleString(language(), { dateStyle: "short", timeStyle: "short" });
const address = (...path) => path.map(encodeURIComponent).join("/");

export function build(element) {
  element.append(users(), sessions(), keys(), doctorPart(), audit(), log());
}

// A list off the API, and what shows it anew.
function listed(path, entry, limit = Infinity) {
  const list = h("ul", { class: "list" });
  const show = () => attempt(async () => list.replaceChildren(...(await call(path)).slice(-limit).map(entry)));
  show();
  return { list, show };
}

async function remove(path, question, words, show) {
  if (await confirmed(question, words)) await attempt(() => request("DELETE", path));
  show();
}

function users() {
  const put = (name, body) => request("PUT", address("api", "users", name), body);
  const { list, show } = listed("api/users", ({ name, role, totp }) => {
    const select = choice("", roles(), role, (chosen) => attempt(() => put(name, { role: chosen })).then(show));
    select.querySelector("select").setAttribute("aria-label", t("access.role_of", { name }));
    const ask = t("access.ask_remove_user", { name });
    const gone = () => remove(address("api", "users", name), ask, t("access.remove"), show);
    const codes = totp && h("small", {}, t("access.codes"));
    return h("li", {}, h("span", {}, name, " ", codes), select, bin(t("access.remove_named", { name }), gone));
  });
  const add = folded(
    t("access.add_user"),
    t("access.save"),
    ({ name, ...body }) => put(name, body).then(show),
    field(t("login.user"), { name: "name", required: true, autocomplete: "off" }),
    field(t("login.password"), { name: "password", type: "password", required: true, autocomplete: "new-password" }),
    roleField(),
  );
  return part(t("access.users"), list, add);
}

function roleField() {
  const label = choice(t("access.role"), roles(), "operator", () => {});
  label.querySelector("select").name = "role";
  return label;
}

function bin(words, act) {
  const made = button("", act, { drawing: "bin", class: "quiet", "aria-label": words });
  made.title = words;
  return made;
}

function sessions() {
  const { list, show } = listed("api/sessions", ({ id, user, address: from, idle, own }) => {
    const minutes = Math.floor(idle / 60);
    const what = own ? t("people.you") : minutes ? t("access.idle", { minutes }) : t("access.in_use");
    const end = () => attempt(() => request("DELETE", address("api", "sessions", id))).then(show);
    const words = h("span", {}, user, " ", h("small", {}, `${from} · ${what}`));
    return h("li", {}, words, button(t("access.end"), end));
  });
  return part(t("access.sessions"), list);
}

function keys() {
  const { list, show } = listed("api/apikeys", ({ name, role, until, is_over: isOver }) => {
    const ends = until && t(isOver ? "access.ended" : "access.ends", { time: at(until) });
    const ask = t("access.ask_remove_key", { name });
    const gone = () => remove(address("api", "apikeys", name), ask, t("access.remove"), show);
    const words = h("span", {}, name, " ", h("small", {}, [t(`people.role.${role}`), ends].filter(Boolean).join(" · ")));
    return h("li", {}, words, bin(t("access.remove_named", { name }), gone));
  });
  const made = h("p", { class: "key", role: "status" });
  const add = folded(
    t("access.add_key"),
    t("access.save"),
    async ({ days, ...body }) => {
      const { data } = await request("POST", "api/apikeys", days ? { ...body, days: Number(days) } : body);
      made.replaceChildren(t("access.key_once"), h("code", {}, data.key));
      show();
    },
    field(t("access.name"), { name: "name", required: true, autocomplete: "off" }),
    roleField(),
    field(t("access.days"), { name: "days", type: "number", min: "1" }),
  );
  return part(t("access.keys"), list, add, made);
}

function audit() {
  const entry = ({ at: time, what, who, address: from, detail }) =>
    h("li", {}, h("span", {}, `${what}: ${[who, detail].filter(Boolean).join(", ")} `, h("small", {}, `${at(time)} · ${from}`)));
  const { list, show } = listed("api/audit", entry, NEWEST);
  const details = h("details", {}, h("summary", {}, t("access.audit")), list);
  details.addEventListener("toggle", () => details.open && show());
  return part("", details);
}

function log() {
  const lines = h("pre", { tabindex: "0" });
  const show = () => attempt(async () => (lines.textContent = (await call("api/log")).slice(-LINES).map(line).join("\n")));
  const details = h("details", {}, h("summary", {}, t("access.log")), button(t("access.again"), show), lines);
  details.addEventListener("toggle", () => details.open && show());
  return part("", details);
}

const line = ({ at: time, level, logger, message }) => `${at(time)} ${level} ${logger}: ${message}`;
