// Files for the user.

import { $, h } from "./dom.js";

const KEPT = 60000; // ms for the browser to take it

// Give a file to the user, named after the KVM and the local time.
export function download(blob, ending) {
  const now = new Date();
  const local = new Date(now - now.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replaceAll(":", "-");
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: `${$("name").textContent.trim()} ${local}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}
