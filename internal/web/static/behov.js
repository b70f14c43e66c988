// Comfort only: every page works without it.
"use strict";
(() => {
  const waits = document.querySelector("[data-reload]");
  if (waits) setTimeout(() => location.reload(), Number(waits.dataset.reload));
  const review = document.querySelector("[data-review]");
  if (!review) return;
  const items = [...review.querySelectorAll(".item")];
  let at = items.findIndex((i) => i.id === "next");
  if (at < 0) at = 0;
  const go = (n) => {
    if (!items[n]) return;
    items[at].classList.remove("current");
    at = n;
    items[at].classList.add("current");
    items[at].scrollIntoView({ block: "nearest" });
    const box = items[at].querySelector("button");
    if (box) box.focus({ preventScroll: true });
  };
  review.addEventListener("focusin", (e) => {
    const n = items.indexOf(e.target.closest(".item"));
    if (n >= 0 && n !== at) {
      items[at].classList.remove("current");
      at = n;
      items[at].classList.add("current");
    }
  });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input:not([type=checkbox]), textarea, select")) return;
    const key = e.key.toLowerCase();
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      go(at + (e.key === "ArrowDown" ? 1 : -1));
      return;
    }
    for (const button of items[at].querySelectorAll("button.one")) {
      const hint = button.querySelector("kbd");
      if (hint && hint.textContent.toLowerCase() === key) {
        e.preventDefault();
        button.click();
        return;
      }
    }
  });
  if (items[at] && location.hash === "#next") go(at);
})();
