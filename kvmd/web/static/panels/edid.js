// What the computer is told of the screen: the EDID, where the device shows one.

import { call, request } from "../api.js";
import { h } from "../dom.js";
import { kvm } from "../kvm.js";
import { t } from "../words.js";
import { attempt, choice, field, folded, part, tell } from "./parts.js";

// The part for panels; hidden where the device has no EDID.
export function edidPart() {
  const facts = h("p", { class: "note" });
  const section = part(t("edid.title"), facts);
  const show = ({ problem, decoded }) => (facts.textContent = problem ?? (decoded ? words(decoded) : t("edid.none")));
  if (kvm.isAdmin) section.append(...changing(show));
  let isKnown = false;
  kvm.on("status", ({ capture }) => {
    section.hidden = !capture?.capabilities.includes("edid");
    if (section.hidden || isKnown) return;
    isKnown = true;
    call("api/edid").then(show, ({ message }) => (facts.textContent = message));
  });
  return section;
}

const words = ({ name, preferred }) => [name, preferred?.name].filter(Boolean).join(" · ");

function changing(show) {
  const put = async (body) => {
    show((await request("PUT", "api/edid", body)).data);
    tell(t("edid.done"));
  };
  const load = choice(t("edid.profile"), { "": t("edid.choose") }, "", (profile) => profile && attempt(() => put({ profile })));
  call("api/edid/profiles").then((profiles) => {
    load.querySelector("select").append(...profiles.map(({ name }) => h("option", { value: name }, name)));
  });
  const file = h("input", { type: "file", accept: ".bin,.hex,.txt,.edid" });
  file.addEventListener("change", async () => {
    await attempt(async () => put({ hex: await hexOf(file.files[0]) }));
    file.value = ""; // the same one can be chosen again
  });
  const edit = folded(
    t("edid.edit"),
    t("access.save"),
    (given) => put({ edit: Object.fromEntries(Object.entries(given).filter(([, value]) => value)) }),
    field(t("edid.name"), { name: "name", maxlength: 13 }),
    field(t("edid.preferred"), { name: "preferred", placeholder: "1920x1080@60" }),
  );
  return [load, h("label", {}, t("edid.file"), file), edit];
}

// A file may hold the bytes, or digits.
async function hexOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] !== 0) return new TextDecoder().decode(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
