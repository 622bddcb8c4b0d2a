// The tool for full screen, and what is said of it.

import { $, h, icon } from "./dom.js";
import { canFullscreen, fullscreenState, onFullscreen, toggleFullscreen } from "./fullscreen.js";
import { t } from "./words.js";

export function attachFullscreen() {
  if (!canFullscreen()) return;
  const words = t("fullscreen.title");
  const toggle = () => toggleFullscreen($("console")).catch(({ message }) => say(message, true));
  const tool = h("button", { type: "button", class: "tool", "aria-pressed": "false", title: words, onclick: toggle }, icon("fullscreen"), h("span", { class: "name" }, words));
  $("tools").append(tool);
  onFullscreen(() => {
    const { on, keys, why } = fullscreenState();
    tool.setAttribute("aria-pressed", String(on));
    if (on) $("screen").focus();
    say(on ? t(`fullscreen.${keys === "none" ? why : keys}`) : "");
  });
}

function say(words, refused = false) {
  dispatchEvent(new CustomEvent("tell", { detail: { words, refused } }));
}
