// What this browser keeps: how one likes it, not what the KVM is set to. Without a store it is kept until the page goes.

const STORE = "kvmd"; // one item; a page in another folder of this host keeps its own
const address = `${STORE}:${new URL(".", document.baseURI).pathname}`;

const kept = read();
const heard = new EventTarget();

function read() {
  try {
    return Object.assign({}, JSON.parse(localStorage.getItem(address)));
  } catch {
    return {}; // a private window, storage that is switched off, or nonsense
  }
}

// :param fallback: what counts where nothing is kept, or something of another kind
export function pref(name, fallback) {
  const value = kept[name];
  const fits = typeof value === typeof fallback && Array.isArray(value) === Array.isArray(fallback);
  return value !== undefined && value !== null && fits ? value : fallback;
}

export function setPref(name, value) {
  kept[name] = value;
  try {
    localStorage.setItem(address, JSON.stringify(kept));
  } catch {
    // it holds until the page goes
  }
  heard.dispatchEvent(new Event(name));
}

// Call `act` whenever the preference is set, in this tab or in another.
export function onPref(name, act) {
  heard.addEventListener(name, act);
}

addEventListener("storage", ({ key }) => {
  if (key !== address) return;
  const now = read();
  const names = new Set([...Object.keys(kept), ...Object.keys(now)]);
  const changed = [...names].filter((name) => JSON.stringify(kept[name]) !== JSON.stringify(now[name]));
  for (const name of names) delete kept[name];
  Object.assign(kept, now);
  for (const name of changed) heard.dispatchEvent(new Event(name));
});
