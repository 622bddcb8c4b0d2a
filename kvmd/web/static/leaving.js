// The question before a tab closes: browsers ask it in their own words, and only in a page that was used.

// :param isTyping: tells whether there is something to lose
export function askBeforeLeaving(isTyping) {
  addEventListener("beforeunload", (event) => {
    if (!isTyping()) return;
    event.preventDefault();
    event.returnValue = true; // Safari, and Chromium before 119
  });
}
