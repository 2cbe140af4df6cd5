// The program behind the page. Answers wait in this browser until the program has them on disk.

import { newId } from "./text.js";

const RETRY_MS = [500, 1000, 2000, 4000];
const POLL_MS = 4000;
const PREFIX = "earmark-answers:";

async function ask(path, options) {
  const response = await fetch(path, options);
  return { status: response.status, document: await response.json() };
}

function stored(storage, key, fallback) {
  try {
    return JSON.parse(storage.getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
}

function store(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(value));
  } catch {
    // Full or switched off: the answers are still sent.
  }
}

export class HttpBackend {
  isStatic = false;

  /** `settled` gets an answer and what became of it, `changed` clips that others answered. */
  constructor({ settled, changed, trouble }) {
    Object.assign(this, { settled, changed, trouble });
    this.waiting = [];
    this.isSending = false;
  }

  async open() {
    const { document: queue } = await ask("v1/queue");
    this.number = queue.changes;
    this.prefix = `${PREFIX}${queue.id}:`;
    this.tab = stored(sessionStorage, "earmark-tab", null) ?? newId();
    store(sessionStorage, "earmark-tab", this.tab);
    this.#takeLeftOver();
    setInterval(() => this.#poll(), POLL_MS);
    return queue;
  }

  /** Answers that a closed or reloaded tab could not send; one that was sent counts once. */
  #takeLeftOver() {
    const keys = Object.keys(localStorage).filter((one) => one.startsWith(this.prefix));
    for (const key of keys) {
      this.waiting.push(...stored(localStorage, key, []));
      if (key !== this.#key) store(localStorage, key, null);
    }
    this.#keep();
    this.#send();
  }

  get #key() {
    return this.prefix + this.tab;
  }

  #keep() {
    store(localStorage, this.#key, this.waiting.length ? this.waiting : null);
  }

  save(answer) {
    this.waiting.push(answer);
    this.#keep();
    this.#send();
  }

  /** Whether an answer to a clip is still on its way. */
  hasWaiting(key) {
    return this.waiting.some((one) => one.clip === key);
  }

  async #send() {
    if (this.isSending) return;
    this.isSending = true;
    let failures = 0;
    while (this.waiting.length) {
      const answer = this.waiting[0];
      try {
        const body = JSON.stringify(answer);
        const { status, document } = await ask("v1/answers", { method: "POST", body, keepalive: true });
        if (status >= 500) throw new Error(document.error);
        failures = 0;
        this.#settle(answer, status, document);
      } catch (error) {
        const delay = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
        if (failures++) this.trouble(this.waiting.length, error.message);
        await new Promise((resume) => setTimeout(resume, delay));
      }
    }
    this.isSending = false;
    this.trouble(0);
  }

  #settle(answer, status, document) {
    this.waiting.shift();
    if (status === 409) {
      // What was said later was said without knowing what the others say.
      for (const one of this.waiting) {
        if (one.clip === answer.clip) one.revision = Math.min(one.revision, answer.revision);
      }
    }
    this.#keep();
    this.settled(answer, status, document);
  }

  async #poll() {
    if (document.hidden || this.isSending) return;
    try {
      const { document: found } = await ask(`v1/changes?since=${this.number}`);
      this.number = found.number;
      const clips = Object.entries(found.clips).filter(([key]) => !this.hasWaiting(key));
      if (clips.length) this.changed(clips, found.labels);
    } catch {
      // The next answer says what is wrong.
    }
  }

  /** The sound and the picture of a clip; `span` is another part than the first one. */
  async view(clip, span = null) {
    const query = span ? `?start=${span.start}&end=${span.end}` : "";
    const address = `v1/clips/${clip.key}`;
    const { status, document } = await ask(address + query);
    return status === 200 ? { ...document, sound: `${address}/sound${query}` } : { error: document.error };
  }

  async similar(clip) {
    const { status, document } = await ask(`v1/clips/${clip.key}/similar`);
    return status === 200 ? document.similar : [];
  }

  windowSound(row) {
    return `v1/windows/${row}/sound`;
  }
}
