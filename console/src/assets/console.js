// What only a script can do: local times, keys, and pages that are loaded again. Everything else works without it.
"use strict";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  const local = document.createElement("span");
  local.className = "local";
  local.textContent = `${format.format(at)} local, `;
  time.prepend(local);
}

// --- Live pages: loaded again every few seconds, unless the page is hidden, paused, or somebody works on it. ---
if ("live" in document.body.dataset) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "live";
  let paused = sessionStorage.getItem("paused") === "yes";
  const show = () => (button.textContent = paused ? "Paused · go on" : "Live · pause");
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    show();
  });
  show();
  document.querySelector("footer").after(button);
  const busy = () => document.activeElement !== document.body || document.querySelector("details[open], dialog[open]");
  setInterval(() => !paused && !document.hidden && !busy() && location.reload(), 4000);
}

// --- Keys ---
const rows = [...document.querySelectorAll("a.row")];
let at = -1;
let going = false;

function move(step) {
  at = Math.max(0, Math.min(rows.length - 1, at + step));
  rows.forEach((row, index) => row.closest("tr, li").classList.toggle("at", index === at));
  rows[at]?.focus();
}

function help() {
  let dialog = document.querySelector("dialog");
  if (!dialog) {
    dialog = document.createElement("dialog");
    const title = document.createElement("h2");
    title.textContent = "Keys";
    const list = document.createElement("ul");
    const places = [...document.querySelectorAll("nav [data-key]")].map((link) => `g ${link.dataset.key}: ${link.textContent}`);
    for (const line of ["/ search", "j, k next and previous row", "Enter open", "r dry run", ...places, "? this help"]) {
      list.append(Object.assign(document.createElement("li"), { textContent: line }));
    }
    const form = document.createElement("form");
    form.method = "dialog";
    form.append(Object.assign(document.createElement("button"), { textContent: "Close" }));
    dialog.append(title, list, form);
    document.body.append(dialog);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (going) {
    going = false;
    document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const keys = {
    "/": () => document.querySelector("[role=search] input")?.focus(),
    "?": help,
    g: () => (going = true),
    j: () => rows.length && move(1),
    k: () => rows.length && move(-1),
    r: () => document.querySelector('[data-key="redrive"]')?.click(),
  };
  if (event.key in keys) {
    event.preventDefault();
    keys[event.key]();
  }
});
