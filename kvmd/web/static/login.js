// The login form: who logs in, with a one-time code where one is asked for, and why the session before has ended.

import { call } from "./api.js";
import { $ } from "./dom.js";

const form = () => document.querySelector("#login form");

// :param enter: called once somebody is let in
export function attachLogin(enter) {
  form().addEventListener("submit", async (event) => {
    event.preventDefault();
    const { code, ...given } = Object.fromEntries(new FormData(form()));
    try {
      await call("login_api", code ? { ...given, code: code.replaceAll(" ", "") } : given);
      askForCode(false);
      form().elements.password.value = "";
      $("refusal").textContent = "";
      enter();
    } catch (error) {
      refuse(error);
    }
  });
}

// :param reason: why a login is needed, empty if there was none before
export function openLogin(reason) {
  $("login").hidden = false;
  $("refusal").textContent = reason;
  askForCode(false);
  form().elements.password.focus();
}

function refuse(error) {
  const needed = error.code === 401 && error.message.startsWith("a one-time code is needed");
  if (needed) askForCode(true);
  $("refusal").textContent = needed ? "" : error.message;
  if (!$("code").hidden) form().elements.code.select();
}

function askForCode(asks) {
  const { code } = form().elements;
  $("code").hidden = !asks;
  code.required = asks;
  code.value = "";
  if (asks) code.focus();
}
