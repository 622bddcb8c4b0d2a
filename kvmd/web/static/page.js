// The page: log in, see the stream, type into it, see how things stand.

const STATUS_EVERY = 1000; // ms
const RENEW_EVERY = 3000; // ms; the daemon releases what a client holds that is silent for longer (hid.hold_timeout)
const TIMEOUT = 10000; // ms for a request

const $ = (id) => document.getElementById(id);
const held = new Set();
let queue = Promise.resolve();
let timers = [];

class Refused extends Error {
  constructor(code, info) {
    super(info);
    this.code = code;
  }
}

async function call(path, body) {
  const options = { signal: AbortSignal.timeout(TIMEOUT) };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body), keepalive: true });
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer.info);
  return answer.data;
}

// Requests for keys go one after another, so that they arrive in the order in which they were pressed.
function sendKeys(body) {
  queue = queue.then(async () => {
    try {
      await call("api/keyboard", body);
      $("problem").textContent = "";
    } catch (error) {
      show(error);
    }
  });
}

function show(error) {
  if (error.code === 401) showLogin();
  else $("problem").textContent = error.message;
}

function press(event) {
  event.preventDefault();
  if (!event.code || event.repeat) return; // the computer repeats a held key by itself
  held.add(event.code);
  sendKeys({ press: [event.code] });
}

function release(event) {
  event.preventDefault();
  if (held.delete(event.code)) sendKeys({ release: [event.code] });
}

function releaseAll() {
  if (!held.size) return;
  held.clear();
  sendKeys({ release_all: true });
}

function renew() {
  if (held.size) sendKeys({ press: [...held] });
}

function tellRole(id, role, more) {
  const element = $(id);
  element.dataset.state = role.state;
  element.textContent = role.state === "online" ? more : `${role.state}: ${role.reason}`;
  element.title = role.reason;
}

function tellLeds(leds) {
  const lamps = Object.entries(leds ?? {}).map(([name, lit]) => {
    const lamp = document.createElement("span");
    lamp.className = lit ? "led lit" : "led";
    lamp.textContent = `● ${name[0].toUpperCase()}${name.slice(1)}`;
    return lamp;
  });
  $("leds").replaceChildren(...lamps);
}

async function tellStatus() {
  try {
    const { capture, hid } = await call("api/status");
    const size = capture.resolution ? `${capture.resolution.width}×${capture.resolution.height} ` : "";
    tellRole("capture", capture, `${size}${capture.format ?? ""} ${capture.captured_fps} fps`);
    tellRole("hid", hid, hid.device);
    tellLeds(hid.leds);
  } catch (error) {
    show(error);
  }
}

function showConsole() {
  $("login").hidden = true;
  $("console").hidden = false;
  $("problem").textContent = "";
  $("stream").src = `stream?${Date.now()}`; // a new address, or the browser shows the end of the old stream
  $("screen").focus();
  timers = [setInterval(tellStatus, STATUS_EVERY), setInterval(renew, RENEW_EVERY)];
  tellStatus();
}

function showLogin() {
  timers.forEach(clearInterval);
  held.clear();
  $("stream").removeAttribute("src");
  $("console").hidden = true;
  $("login").hidden = false;
  $("login").elements.password.focus();
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    await call("login_api", Object.fromEntries(form));
    $("refusal").textContent = "";
    event.target.elements.password.value = "";
    showConsole();
  } catch (error) {
    $("refusal").textContent = error.message;
  }
});

$("logout").addEventListener("click", async () => {
  await call("api/logout", {}).catch(() => {});
  showLogin();
});

$("stream").addEventListener("error", () => {
  if (!$("console").hidden) setTimeout(() => ($("stream").src = `stream?${Date.now()}`), STATUS_EVERY);
});

$("screen").addEventListener("keydown", press);
$("screen").addEventListener("keyup", release);
$("screen").addEventListener("blur", releaseAll);
$("screen").addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("pagehide", releaseAll);

call("api/status").then(showConsole, showLogin);
