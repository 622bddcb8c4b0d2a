// What the KVM finds wrong with its own machine; why it matters, and what to do.

import { call } from "../api.js";
import { h } from "../dom.js";
import { t } from "../words.js";
import { attempt, button, part } from "./parts.js";

const PATIENCE = 30000; // ms for the checks, on a slow board

// The part for panels; it looks when it is unfolded.
export function doctorPart() {
  const findings = h("ul", { class: "findings", "aria-live": "polite" });
  const look = async () => findings.replaceChildren(...shown(await call("api/doctor", null, { timeout: PATIENCE })));
  const show = async () => {
    findings.replaceChildren(h("li", { class: "note" }, t("doctor.looks")));
    if (!(await attempt(look))) findings.replaceChildren();
  };
  const details = h("details", { id: "doctor" }, h("summary", {}, t("doctor.title")), findings, button(t("doctor.again"), show));
  details.addEventListener("toggle", () => details.open && show());
  return part("", details);
}

function shown({ findings, unseen }) {
  const well = findings.length ? [] : [h("li", {}, t("doctor.well"))];
  return [...well, ...findings.map(finding), ...unseen.map(hidden)];
}

const finding = ({ severity, what, why, mend }) =>
  h(
    "li",
    {},
    h("p", {}, h("strong", { class: severity === "fault" ? "bad" : "" }, t(`doctor.${severity}`)), ` ${what}`),
    h("p", { class: "note" }, t("doctor.why", { why })),
    h("code", {}, mend),
  );

const hidden = (unseen) => h("li", { class: "note" }, t("doctor.unseen", unseen));
