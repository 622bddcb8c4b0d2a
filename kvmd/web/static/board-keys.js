// Where the keys of the on-screen keyboard are: as on the keyboards of each layout, or on pages for a narrow screen.

const DIGITS = "Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0";
const TOP = "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight";
const HOME = "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote";
const BOTTOM = "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash";

// A key is its KeyboardEvent.code with its width and height where they are not 1, or a gap, "-".
const SHIFTS = ["ShiftLeft*2.25", "ShiftRight*2.75"];
const ISO_SHIFTS = ["ShiftLeft*1.25 IntlBackslash", "ShiftRight*2.75"];
const BACKSPACE = "Backspace*2";
const ENTER = ["Backslash*1.5", "Enter*2.25"];
const ISO_ENTER = ["Enter*1.5*2", "Backslash"]; // it is as high as two, and Backslash lies over it
const LEFT = "ControlLeft*1.25 MetaLeft*1.25 AltLeft*1.25";
const RIGHT = "AltRight*1.25 MetaRight*1.25 ContextMenu*1.25 ControlRight*1.25";
const LINE = `${LEFT} Space*6.25 ${RIGHT}`;
const GEOMETRIES = {
  ansi: { backspace: BACKSPACE, enter: ENTER, shifts: SHIFTS, line: LINE },
  iso: { backspace: BACKSPACE, enter: ISO_ENTER, shifts: ISO_SHIFTS, line: LINE },
  abnt: { backspace: BACKSPACE, enter: ISO_ENTER, shifts: [ISO_SHIFTS[0], "IntlRo ShiftRight*1.75"], line: LINE },
  jis: {
    backspace: "IntlYen Backspace",
    enter: ISO_ENTER,
    shifts: [SHIFTS[0], "IntlRo ShiftRight*1.75"],
    line: `${LEFT} NonConvert Space*3.5 Convert KanaMode AltRight*1.25 MetaRight ContextMenu ControlRight*1.5`,
  },
  korean: { backspace: BACKSPACE, enter: ENTER, shifts: SHIFTS, line: `${LEFT} Lang2 Space*4.25 Lang1 ${RIGHT}` },
};

const ANSI = /^(us|au|nz|za|ph|in|id|cn|tw|vn|pl|bw|gh|ke|ng)\b|^ca\(eng\)/; // where keyboards with a US shape are sold
const OTHERS = { jp: "jis", br: "abnt", kr: "korean" };

// What is printed on keys that type nothing by themselves, on all of them.
export const PRINTED = {
  NonConvert: "無変換", Convert: "変換", KanaMode: "かな", Lang1: "한/영", Lang2: "한자",
  Backspace: "⌫", Enter: "↵", Tab: "⇥", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Space: " ",
  NumpadDivide: "/", NumpadMultiply: "*", NumpadSubtract: "-", NumpadAdd: "+", NumpadEnter: "↵", NumpadDecimal: ".",
  NumpadComma: ",",
};

// :return: ansi, iso, abnt, jis or korean
export function geometryOf(layout) {
  return OTHERS[layout.split("(")[0]] ?? (ANSI.test(layout) ? "ansi" : "iso");
}

// Place a row's keys one after the other.
// :return: a list of {code, row, column, width, height}, in units of a letter's key; what begins with "@" leads to a page
function place(words, row, column = 0) {
  const keys = [];
  for (const word of words.split(" ")) {
    const [code, width = 1, height = 1] = word.split("*").map((part, index) => (index ? Number(part) : part));
    if (code !== "-") keys.push({ code, row, column, width, height });
    column += width;
  }
  return keys;
}

function mainBlock({ backspace, enter, shifts, line }) {
  return [
    "Escape - F1 F2 F3 F4 -*0.5 F5 F6 F7 F8 -*0.5 F9 F10 F11 F12",
    `Backquote ${DIGITS} Minus Equal ${backspace}`,
    `Tab*1.5 ${TOP} ${enter[0]}`,
    `CapsLock*1.75 ${HOME} ${enter[1]}`,
    `${shifts[0]} ${BOTTOM} ${shifts[1]}`,
    line,
  ];
}

const NAVIGATION = [
  "PrintScreen ScrollLock Pause", "Insert Home PageUp", "Delete End PageDown", "- - -", "- ArrowUp -",
  "ArrowLeft ArrowDown ArrowRight",
];

const numberPad = (geometry) => [
  "- - - -", "NumLock NumpadDivide NumpadMultiply NumpadSubtract",
  `Numpad7 Numpad8 Numpad9 NumpadAdd*1*${geometry === "abnt" ? 1 : 2}`,
  `Numpad4 Numpad5 Numpad6 ${geometry === "abnt" ? "NumpadComma" : "-"}`,
  "Numpad1 Numpad2 Numpad3 NumpadEnter*1*2", "Numpad0*2 NumpadDecimal",
];

// All keys at once.
// :param withPad: whether the number pad is among them
// :return: {keys, width} in units
export function wholeKeyboard(geometry, withPad) {
  const blocks = [[mainBlock(GEOMETRIES[geometry]), 0], [NAVIGATION, 15.25]];
  if (withPad) blocks.push([numberPad(geometry), 18.5]);
  const keys = blocks.flatMap(([rows, column]) => rows.flatMap((words, row) => place(words, row, column)));
  return { keys, width: withPad ? 22.5 : 18.25 };
}

const list = (words) => words.split(" ");
const existing = (geometry) => new Set(wholeKeyboard(geometry, false).keys.map(({ code }) => code));

// Keys of equal width over the whole row.
const spread = (codes, width) => codes.map((code) => `${code}*${width / codes.length}`).join(" ");
function between(left, codes, right, width) {
  const rest = (width - codes.length) / 2;
  return [`${left}*${rest}`, ...codes, `${right}*${rest}`].join(" ");
}

function lettersPage(letters, width) {
  const [top, home, bottom] = letters;
  const centred = (codes) => `${codes.length < width ? `-*${(width - codes.length) / 2} ` : ""}${codes.join(" ")}`;
  return [
    centred(top),
    centred(home),
    between("ShiftLeft", bottom, "Backspace", width),
    `@symbols*1.5 @functions*1.5 Comma Space*${width - 7} Period Enter*2`,
  ];
}

function symbolsPage(symbols, width) {
  const below = symbols.length >> 1;
  const shown = [symbols.slice(0, symbols.length - below), symbols.slice(symbols.length - below)];
  return [
    spread(list(DIGITS), width),
    spread(shown[0], width),
    between("ShiftLeft", shown[1], "Backspace", width),
    `@letters*1.5 @functions*1.5 Space*${width - 5} Enter*2`,
  ];
}

function functionsPage(geometry, width) {
  const own = { jis: ["NonConvert", "Convert", "KanaMode"], korean: ["Lang2", "Lang1"] }[geometry];
  return [
    ["F1", "F2", "F3", "F4", "F5", "F6"],
    ["F7", "F8", "F9", "F10", "F11", "F12"],
    ["PrintScreen", "ScrollLock", "Pause", "Insert", "Home", "PageUp"],
    ["CapsLock", "NumLock", "ContextMenu", "Delete", "End", "PageDown"],
    ...(own ? [own] : []),
    ["@letters", "@symbols", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"],
  ].map((codes) => spread(codes, width));
}

// A page of the keys: letters, symbols or functions.
// :param labels: what the keys type, as GET /api/layouts/NAME has it: keys that type letters are among the letters
// :return: {keys, width} in units
export function keyboardPage(page, geometry, labels) {
  const there = existing(geometry);
  const isLetter = (code) => there.has(code) && (code.startsWith("Key") || /\p{L}/u.test(labels[code]?.[0] ?? ""));
  const rows = [TOP, `${HOME} Backslash`, `IntlBackslash ${BOTTOM} IntlRo`].map(list);
  const letters = rows.map((codes) => codes.filter(isLetter));
  const others = new Set([...there].filter((code) => !letters.flat().includes(code)));
  const symbols = list("Backquote Minus Equal IntlYen").concat(...rows).filter((code) => others.has(code));
  const width = Math.max(10, ...letters.map(({ length }) => length));
  const modifiers = spread(["Escape", "Tab", "ControlLeft", "AltLeft", "MetaLeft", "AltRight"], width);
  const pages = {
    letters: () => lettersPage(letters, width),
    symbols: () => symbolsPage(symbols, width),
    functions: () => functionsPage(geometry, width),
  };
  return { keys: [modifiers, ...pages[page]()].flatMap((words, row) => place(words, row)), width };
}
