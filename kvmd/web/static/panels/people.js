// The people's panel: who watches and who types.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { t } from "../words.js";
import { part } from "./parts.js";

function entry({ number, who, role, typing, watching }) {
  const doing = [typing && t("people.typing"), watching && t("people.watching")].filter(Boolean);
  const name = number === kvm.me.number ? `${who} (${t("people.you")})` : who;
  return h("li", {}, h("span", {}, name, " ", h("small", {}, t(`people.role.${role}`))), h("small", {}, doing.join(", ")));
}

export function build(element) {
  const here = h("ul", { class: "list", id: "people-here" });
  element.append(part(t("people.here"), here));
  kvm.on("clients", (clients) => here.replaceChildren(...clients.map(entry)));
}
