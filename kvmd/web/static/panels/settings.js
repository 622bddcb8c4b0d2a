// The settings' panel: how the page looks, in this browser; and the way out.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { pref, setPref } from "../prefs.js";
import { LANGUAGES, chooseLanguage, t } from "../words.js";
import { certificatePart } from "./certificate.js";
import { button, choice, part } from "./parts.js";

export function build(element) {
  const languages = { "": t("settings.language_browser"), ...LANGUAGES };
  const themes = Object.fromEntries(["auto", "dark", "light"].map((name) => [name, t(`settings.${name}`)]));
  const leave = () => dispatchEvent(new Event("leave"));
  const who = h("p");
  element.append(
    part(
      t("settings.look"),
      choice(t("settings.language"), languages, pref("language", ""), chooseLanguage),
      choice(t("settings.theme"), themes, pref("theme", "auto"), (theme) => setPref("theme", theme)),
    ),
    part(t("settings.session"), who, button(t("settings.logout"), leave, { id: "logout" })),
    certificatePart(),
    h("p", {}, h("a", { href: "api/openapi.json", target: "_blank", rel: "noopener" }, t("settings.api"))),
  );
  kvm.on("me", ({ who: name, role }) => {
    who.textContent = t("settings.who", { who: name, role: t(`people.role.${role}`) });
  });
}
