// The settings' panel: how the page looks, in this browser; and the way out.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { pref, setPref } from "../prefs.js";
import { LANGUAGES, chooseLanguage, t } from "../words.js";

// A choice among options, each with its words.
export function choice(words, options, chosen, choose) {
  const select = h("select", { onchange: () => choose(select.value) });
  for (const [value, name] of Object.entries(options)) {
    select.append(h("option", { value, selected: value === String(chosen) }, name));
  }
  return h("label", {}, words, select);
}

export function build(element) {
  const languages = { "": t("settings.language_browser"), ...LANGUAGES };
  const themes = Object.fromEntries(["auto", "dark", "light"].map((name) => [name, t(`settings.${name}`)]));
  const leave = () => dispatchEvent(new Event("leave"));
  const who = h("p");
  element.append(
    h(
      "section",
      {},
      h("h3", {}, t("settings.look")),
      choice(t("settings.language"), languages, pref("language", ""), chooseLanguage),
      choice(t("settings.theme"), themes, pref("theme", "auto"), (theme) => setPref("theme", theme)),
    ),
    h(
      "section",
      {},
      h("h3", {}, t("settings.session")),
      who,
      h("button", { type: "button", id: "logout", onclick: leave }, t("settings.logout")),
    ),
    h("p", {}, h("a", { href: "api/openapi.json", target: "_blank", rel: "noopener" }, t("settings.api"))),
  );
  kvm.on("me", ({ who: name, role }) => {
    who.textContent = t("settings.who", { who: name, role: t(`people.role.${role}`) });
  });
}
