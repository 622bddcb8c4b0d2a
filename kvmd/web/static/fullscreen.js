// Full screen, with the keys that the browser and the system would take for themselves, as far as they give them away:
// Keyboard Lock (Chromium, in pages over TLS or of this machine), or the `keyboardLock` of Fullscreen's options.

const listeners = new Set();
let keys = "none"; // which keys come to us: all, the browser's, or no more than ever

const now = () => document.fullscreenElement ?? document.webkitFullscreenElement ?? null;

// Phones of Apple's have none but for videos.
export const canFullscreen = () => Boolean(document.fullscreenEnabled ?? document.webkitFullscreenEnabled);

// :return: `on`; `keys`: "all" are ours (Escape held for two seconds is the way out), "browser": those of the browser,
//     "none"; and `why` there are none: "insecure" (Keyboard Lock needs TLS), "unsupported", or ""
export function fullscreenState() {
  const on = Boolean(now());
  const why = isSecureContext ? "unsupported" : "insecure";
  return { on, keys: on ? keys : "none", why: on && keys === "none" ? why : "" };
}

// Call `act` with the state whenever it changes.
export function onFullscreen(act) {
  listeners.add(act);
}

// To be called from a click or a key: browsers give no full screen otherwise.
export async function toggleFullscreen(element) {
  if (now()) return (document.exitFullscreen ?? document.webkitExitFullscreen).call(document);
  let isRead = false; // whether the browser knows of the option
  const options = {
    navigationUI: "hide",
    get keyboardLock() {
      isRead = true;
      return "browser";
    },
  };
  await (element.requestFullscreen ?? element.webkitRequestFullscreen).call(element, options);
  keys = isRead ? "browser" : "none";
  await lock();
  tell();
}

async function lock() {
  try {
    await navigator.keyboard.lock();
    keys = "all";
  } catch {
    // there is no such thing, or the user said no
  }
}

function tell() {
  for (const act of listeners) act(fullscreenState());
}

function changed() {
  if (now()) return; // told once the keys are ours
  keys = "none";
  navigator.keyboard?.unlock?.();
  tell();
}

for (const name of ["fullscreenchange", "webkitfullscreenchange"]) document.addEventListener(name, changed);
