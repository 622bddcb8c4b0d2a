// The people's panel: who watches and who types.

import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { say, way } from "../socket.js";
import { t } from "../words.js";
import { button, part } from "./parts.js";

function entry({ number, who, role, typing, watching }) {
  const doing = [typing && t("people.typing"), watching && t("people.watching")].filter(Boolean);
  const name = number === kvm.me.number ? `${who} (${t("people.you")})` : who;
  return h("li", {}, h("span", {}, name, " ", h("small", {}, t(`people.role.${role}`))), h("small", {}, doing.join(", ")));
}

// Who has the keyboard types alone; anybody who may type can take it.
function keyboard() {
  const words = h("p", {});
  const take = button(t("people.take"), () => say({ type: "take", id: 0 }), { id: "take" });
  const give = button(t("people.give"), () => say({ type: "give", to: null, id: 0 }), { id: "give" });
  const show = () => {
    const holder = kvm.clients.find(({ number }) => number === kvm.keyboard);
    const ours = kvm.keyboard !== null && kvm.keyboard === kvm.me.number;
    const free = way() === "none" ? "" : t("people.free");
    words.textContent = ours ? t("people.ours") : holder ? t("people.theirs", { who: holder.who }) : free;
    take.hidden = !kvm.mayType || ours || kvm.clients.length === 0;
    give.hidden = !ours;
  };
  kvm.addEventListener("clients", show);
  kvm.addEventListener("me", show);
  show();
  return part(t("people.keyboard"), words, take, give);
}

export function build(element) {
  const here = h("ul", { class: "list", id: "people-here" });
  const unknown = h("p", { class: "note", hidden: way() !== "none" }, t("people.unknown"));
  element.append(part(t("people.here"), unknown, here), keyboard());
  kvm.addEventListener("clients", () => (unknown.hidden = way() !== "none"));
  kvm.on("clients", (clients) => {
    const byRequests = kvm.typists.map((who) => h("li", {}, h("span", {}, who), h("small", {}, t("people.typing"))));
    here.replaceChildren(...clients.map(entry), ...byRequests);
  });
}
