// The tool for the on-screen keyboard, which is loaded when it is first wanted.

import { $ } from "./dom.js";
import { kvm } from "./kvm.js";
import { tool } from "./tool.js";
import { t } from "./words.js";

export function attachBoard() {
  const board = $("board");
  const toggle = async () => (await import("./board.js")).toggleBoard();
  const words = { id: "board-button", title: t("board.title"), "aria-expanded": "false", "aria-controls": "board" };
  const button = tool("board", t("board.tool"), toggle, words);
  board.addEventListener("toggle", () => button.setAttribute("aria-expanded", String(!board.hidden)));
  kvm.on("me", () => (button.hidden = !kvm.mayType));
  $("tools").append(button);
}
