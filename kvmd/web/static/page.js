// The page: log in, see the screen, type and point into it.

import { call, sendLast } from "./api.js";
import { attachBoard } from "./boardtool.js";
import { $, fillWords } from "./dom.js";
import { attachFullscreen } from "./fulltool.js";
import { attachKeyboard, releaseKeys, swapIso, typedLately } from "./keyboard.js";
import { kvm } from "./kvm.js";
import { askBeforeLeaving } from "./leaving.js";
import { attachLine, closeLine, openLine, tellError, tellStale } from "./line.js";
import { attachLogin, openLogin } from "./login.js";
import { attachMouse, releaseButtons } from "./mouse.js";
import { allowPanels, attachPanels, openPanel } from "./panels.js";
import { attachPictures } from "./pictures.js";
import { attachPower } from "./power.js";
import { pref } from "./prefs.js";
import { confirmed } from "./question.js";
import { wake, way } from "./socket.js";
import { attachStatus } from "./status.js";
import { typeText } from "./texts.js";
import { attachTheme } from "./theme.js";
import { loadWords, t } from "./words.js";

const ASKED = 500; // characters of a pasted text, beyond which one is asked

const isOpen = () => !$("console").hidden;

// What became of what was asked for; a refusal stays, whatever is typed and pointed meanwhile.
function tell(words, refused = false) {
  $("action").textContent = words;
  $("action").classList.toggle("refused", refused);
}

function tellPowers(done, error) {
  if (error?.code === 401) return showLogin(error.message);
  tell(error ? error.message : done && t("power.done", { info: done }), Boolean(error));
}

function releaseAll() {
  releaseKeys();
  releaseButtons();
}

// Ctrl+Shift+V; where the browser gives no text, there is a box for it.
async function paste(text) {
  if (!text) return openPanel("text");
  const count = [...text].length;
  if (count > ASKED && !(await confirmed(t("text.ask", { count }), t("text.type")))) return;
  typeText(text);
}

const hooks = {
  type: typeText,
  paste,
  leave: () => $("tools").querySelector("button:not([hidden])").focus(),
  lost: (keys) => tell(t("keys.lost", { keys: keys.join(", ") }), true),
};

function showConsole() {
  $("login").hidden = true;
  $("console").hidden = false;
  for (const id of ["problem", "action"]) $(id).textContent = "";
  $("screen").focus();
  openLine();
}

// :param reason: why the session has ended, or none is there
function showLogin(reason = "") {
  closeLine();
  $("console").hidden = true;
  openLogin(reason);
}

async function leave() {
  closeLine();
  await call("api/logout", {}).catch(() => {});
  showLogin();
}

// At first; who was never logged in needs no reason.
function enter() {
  call("api/me").then(showConsole, ({ message }) => showLogin(message.startsWith("log in first") ? "" : message));
}

function tellRole({ role }) {
  $("console").classList.toggle("viewer", !kvm.mayType);
  allowPanels(role);
}

function listen() {
  addEventListener("sent", ({ detail: error }) => (error ? tellError(error) : ($("problem").textContent = "")));
  addEventListener("tell", ({ detail: { words, refused } }) => tell(words, refused));
  addEventListener("leave", leave);
  addEventListener("online", wake);
  $("screen").addEventListener("blur", releaseAll);
  document.addEventListener("visibilitychange", () => (document.hidden ? releaseAll() : wake()));
  addEventListener("pagehide", () => {
    if (!isOpen()) return;
    if (way() === "none") sendLast(["api/keyboard", { release_all: true }], ["api/mouse", { buttons: [] }]);
    closeLine();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && enter());
}

async function begin() {
  attachTheme();
  await loadWords();
  fillWords();
  attachLogin(showConsole);
  attachLine(showLogin);
  attachKeyboard($("screen"), hooks);
  swapIso(pref("swapIso", false));
  attachMouse($("screen"), $("stream"));
  attachPictures($("stream"));
  attachPower(tellPowers);
  attachPanels();
  attachBoard();
  attachFullscreen();
  attachStatus(tellStale);
  askBeforeLeaving(() => isOpen() && typedLately());
  kvm.on("me", tellRole);
  listen();
  enter();
}

begin();
