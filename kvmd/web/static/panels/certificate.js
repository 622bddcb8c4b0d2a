// The certificate that browsers are shown over HTTPS: to compare it, or to trust it.

import { call } from "../api.js";
import { h } from "../dom.js";
import { download } from "../files.js";
import { language, t } from "../words.js";
import { button, part } from "./parts.js";

// The part for panels; hidden where the KVM has no HTTPS.
export function certificatePart() {
  const section = part(t("certificate.title"));
  section.hidden = true;
  call("api/certificate").then((facts) => {
    section.hidden = !facts;
    if (facts) section.append(...shown(facts));
  }, () => {});
  return section;
}

function shown({ names, issuer, self_signed: isOwn, not_after: end, sha256, pem }) {
  const keep = () => download(new Blob([pem], { type: "application/x-pem-file" }), "pem");
  const rows = {
    names: names.join(", "),
    issuer: isOwn ? t("certificate.itself") : issuer,
    until: new Date(end).toLocaleDateString(language(), { dateStyle: "medium" }),
  };
  const row = ([name, value]) => [h("dt", {}, t(`certificate.${name}`)), h("dd", {}, value)];
  return [
    h("dl", { class: "facts" }, ...Object.entries(rows).flatMap(row)),
    h("p", {}, t("certificate.sha256"), h("code", { id: "fingerprint" }, sha256)),
    isOwn && h("p", { class: "note" }, t("certificate.note")),
    button(t("certificate.save"), keep),
  ].filter(Boolean);
}
