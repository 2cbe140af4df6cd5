// Starts the page: with the program behind it, or from disk.

import { byId } from "./shared/elements.js";
import { HttpBackend } from "./http_backend.js";
import { ReviewPage } from "./review.js";
import { StaticBackend } from "./static_backend.js";

const KEYS_OFF = "earmark-keys-off";

function keyActions(page) {
  return {
    " ": () => page.playOrStop(),
    c: () => page.playOrStop(true),
    l: () => byId("other-label").focus(),
    u: () => page.say("unsure"),
    s: () => page.say("skipped"),
    z: () => page.undo(),
    r: () => page.setSegment(null),
    Enter: () => page.saveLabels(),
    ArrowLeft: () => page.step(-1),
    ArrowUp: () => page.step(-1),
    ArrowRight: () => page.step(1),
    ArrowDown: () => page.step(1),
    "[": () => page.setBound("start", page.player.position),
    "]": () => page.setBound("end", page.player.position),
    "?": () => byId("help").showModal(),
  };
}

/** Whether the element with the focus has a use of its own for a key. */
function isTaken(target, key) {
  if (target.closest("input, select, textarea, dialog")) return true;
  const presses = key === " " || key === "Enter";
  return presses && Boolean(target.closest("button, a, summary"));
}

function listenForKeys(page) {
  const actions = keyActions(page);
  const box = byId("keys-on");
  box.checked = localStorage.getItem(KEYS_OFF) === null;
  box.onchange = () => (box.checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1"));
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (!box.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTaken(target, key)) {
      if (key === "Escape") target.blur?.();
      return;
    }
    if (event.repeat && !key.startsWith("Arrow")) return;
    const label = page.labels.ofKey(key);
    const action = label === undefined ? actions[key] : () => page.choose(label);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function listenForButtons(page) {
  const actions = {
    play: () => page.playOrStop(),
    "play-all": () => page.playOrStop(true),
    earlier: () => page.look(-0.5),
    later: () => page.look(0.5),
    wider: () => page.look(0, 2),
    reset: () => page.setSegment(null),
    save: () => page.saveLabels(),
    unsure: () => page.say("unsure"),
    skip: () => page.say("skipped"),
    undo: () => page.undo(),
    before: () => page.step(-1),
    next: () => page.step(1),
    "help-open": () => byId("help").showModal(),
  };
  for (const [id, action] of Object.entries(actions)) byId(id).onclick = action;
  for (const name of ["start", "end"]) byId(name).onchange = ({ target }) => page.setBound(name, Number(target.value));
}

function showTrouble(count, message) {
  const box = byId("trouble");
  box.hidden = !count;
  const answers = count === 1 ? "1 answer is" : `${count} answers are`;
  box.textContent = count ? `${answers} kept in this browser only: ${message}. The page tries again by itself.` : "";
}

async function start() {
  const boot = byId("boot");
  let page = null;
  try {
    const Backend = byId("queue") ? StaticBackend : HttpBackend;
    const early = [];
    const backend = new Backend({
      settled: (...found) => (page ? page.settle(...found) : early.push(found)),
      changed: (...found) => page?.takeChanges(...found),
      trouble: showTrouble,
    });
    const queue = await backend.open();
    byId("main").hidden = false;
    page = new ReviewPage(queue, backend);
    for (const one of early) page.settle(...one);
    listenForKeys(page);
    listenForButtons(page);
    boot.hidden = true;
    document.documentElement.dataset.ready = "";
  } catch (error) {
    boot.textContent = `The page cannot start: ${error.message}`;
    boot.classList.add("bad");
    throw error;
  }
}

start();
