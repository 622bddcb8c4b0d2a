// The tool for full screen, and what is said of it.

import { $ } from "./dom.js";
import { canFullscreen, fullscreenState, onFullscreen, toggleFullscreen } from "./fullscreen.js";
import { tool } from "./tool.js";
import { t } from "./words.js";

export function attachFullscreen() {
  if (!canFullscreen()) return;
  const toggle = () => toggleFullscreen($("console")).catch(({ message }) => say(message, true));
  const button = tool("fullscreen", t("fullscreen.title"), toggle, { "aria-pressed": "false" });
  $("tools").append(button);
  onFullscreen(() => {
    const { on, keys, why } = fullscreenState();
    button.setAttribute("aria-pressed", String(on));
    if (on) $("screen").focus();
    say(on ? t(`fullscreen.${keys === "none" ? why : keys}`) : "");
  });
}

function say(words, refused = false) {
  dispatchEvent(new CustomEvent("tell", { detail: { words, refused } }));
}
