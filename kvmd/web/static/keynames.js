// What browsers call keys: which key a name means, which keys have no keyup, which events claim a modifier.

const SAME = `Enter Backspace Tab Escape Delete Insert Home End PageUp PageDown ArrowUp ArrowDown ArrowLeft ArrowRight
  PrintScreen ScrollLock Pause ContextMenu CapsLock NumLock Help Convert NonConvert AudioVolumeMute AudioVolumeUp
  AudioVolumeDown MediaPlayPause MediaPlay MediaPause MediaStop MediaTrackNext MediaTrackPrevious LaunchMail BrowserBack
  BrowserFavorites BrowserForward BrowserHome BrowserRefresh BrowserSearch BrowserStop Eject Power WakeUp`.split(/\s+/);
const FUNCTION_KEYS = Array.from({ length: 24 }, (_, index) => `F${index + 1}`);
// UIKit's names, which Safari on iPads gave for years: WebKit bug 149054
const UIKIT = Object.fromEntries(
  ["UpArrow", "DownArrow", "LeftArrow", "RightArrow"].map((name) => [
    `UIKeyInput${name}`,
    `Arrow${name.replace("Arrow", "")}`,
  ]),
);

// KeyboardEvent.code by KeyboardEvent.key, where both name a key and not what it types.
const BY_NAME = new Map([
  ...[...SAME, ...FUNCTION_KEYS].map((name) => [name, name]),
  ...Object.entries(UIKIT),
  ["UIKeyInputEscape", "Escape"],
  [" ", "Space"],
  ["AltGraph", "AltRight"],
]);
const SIDED = { Shift: "Shift", Control: "Control", Alt: "Alt", Meta: "Meta", OS: "Meta" };

// The key of this name, on that side of the keyboard (KeyboardEvent.location); undefined where it names none.
export function keyOf(name, location) {
  if (!Object.hasOwn(SIDED, name)) return BY_NAME.get(name);
  return SIDED[name] + (location === KeyboardEvent.DOM_KEY_LOCATION_RIGHT ? "Right" : "Left");
}

// The key that has this letter or digit on a US keyboard: what Ctrl and the like are pressed with where no code is given.
export function keyWith(character) {
  if (/^[a-z]$/i.test(character)) return `Key${character.toUpperCase()}`;
  return /^\d$/.test(character) ? `Digit${character}` : undefined;
}

// They choose what an input method types, and send a keydown alone: pikvm issues 878 and 1519, deskflow PR 5196.
const MODE_CODES = new Set(["Lang1", "Lang2", "Lang3", "Lang4", "Lang5", "KanaMode"]);
const MODE_NAMES = new Set(
  `HangulMode HanjaMode KanjiMode KanaMode Hiragana Katakana HiraganaKatakana Zenkaku Hankaku ZenkakuHankaku Romaji
  Alphanumeric Eisu JunjaMode FinalMode Process`.split(/\s+/),
);
export const isModeKey = ({ code, key, keyCode }) => MODE_CODES.has(code) || MODE_NAMES.has(key) || keyCode === 229;

// They are the keyboard's own, and none of a computer's.
export const NOT_OURS = new Set(["Fn", "FnLock", "Hyper", "Super", "Turbo", "Unidentified"]);

const MODIFIER = /^(Shift|Control|Alt|Meta)(Left|Right)$/;
// Shift of ShiftLeft; undefined where it is no modifier.
export const kindOf = (code) => MODIFIER.exec(code)?.[1];

export const APPLE = /^(Mac|iP)/.test(navigator.platform); // an iPad calls itself a Mac
export const WINDOWS = /^Win/.test(navigator.platform);

// Which modifiers an event of a key or the pointer says are down: AltGr is an Alt, too.
export function claimsOf(event) {
  const AltGraph = event.getModifierState("AltGraph");
  return { Shift: event.shiftKey, Control: event.ctrlKey, Alt: event.altKey || AltGraph, Meta: event.metaKey, AltGraph };
}
