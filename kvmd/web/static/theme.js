// Dark, light, or as the system has it.

import { onPref, pref } from "./prefs.js";

function dress() {
  document.documentElement.dataset.theme = pref("theme", "auto");
}

export function attachTheme() {
  dress();
  onPref("theme", dress);
}
