// Words in the user's language: a file a language in words/, each with all the words.

import { pref, setPref } from "./prefs.js";

// By their BCP 47 tags, in their own words.
export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  ja: "日本語",
  zh: "简体中文",
};

let words = {};

// The chosen language, else the first of the browser's that is there, else English.
export function language() {
  const chosen = pref("language", "");
  const wished = [chosen, ...navigator.languages].map((tag) => tag.split("-")[0]);
  return wished.find((tag) => tag in LANGUAGES) ?? "en";
}

export async function loadWords() {
  const tag = language();
  const response = await fetch(`static/words/${tag}.json`);
  words = await response.json();
  document.documentElement.lang = tag;
}

// Choose one; an empty tag is the browser's. What is built already has the old words, so that the page is loaded anew.
export function chooseLanguage(tag) {
  setPref("language", tag);
  location.reload();
}

// The words of this name, with {places} filled in.
export function t(name, places = {}) {
  const text = words[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
}
