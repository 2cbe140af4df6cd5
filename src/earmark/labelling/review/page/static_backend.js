// A page from disk: it has the sound inside, and hands the answers back as a download.

import { byId, element } from "./shared/elements.js";

const ANSWERS_FORMAT = "earmark answers 1";

export class StaticBackend {
  isStatic = true;

  constructor({ settled, trouble }) {
    Object.assign(this, { settled, trouble });
    this.answers = new Map();
  }

  async open() {
    const queue = JSON.parse(byId("queue").textContent);
    this.views = new Map(JSON.parse(byId("views").textContent));
    this.key = `earmark-page:${queue.id}`;
    this.#restore(queue);
    byId("download").hidden = false;
    byId("download").onclick = () => this.#download();
    addEventListener("beforeunload", (event) => this.isChanged && event.preventDefault());
    return queue;
  }

  /** What was answered here before, as this browser kept it. */
  #restore(queue) {
    let kept = [];
    try {
      kept = JSON.parse(localStorage.getItem(this.key)) ?? [];
    } catch {
      // Some browsers keep nothing for pages from disk.
    }
    for (const clip of queue.clips) {
      const found = kept.find(([key, { revision }]) => key === clip.key && revision === clip.revision);
      const first = { revision: clip.revision, answer: clip.answer };
      this.answers.set(clip.key, { stack: [], ids: [], sent: [], ...found?.[1], ...first });
      clip.answer = this.#current(clip.key);
      const labels = clip.answer?.labels ?? [];
      queue.labels.push(...labels.filter((one) => !queue.labels.includes(one)));
    }
  }

  #current(key) {
    const { stack, answer } = this.answers.get(key);
    return stack.at(-1) ?? answer;
  }

  save(answer) {
    const said = this.answers.get(answer.clip);
    if (answer.verdict === "undone") said.stack.pop();
    else {
      said.stack.push({ ...answer, revision: said.revision, replaces: [...said.ids] });
      said.ids.push(answer.id);
    }
    this.isChanged = true;
    this.#keep();
    const found = { revision: said.revision, answer: this.#current(answer.clip), conflicts: [] };
    this.settled(answer, 200, found);
  }

  hasWaiting() {
    return false;
  }

  #keep() {
    const used = [...this.answers].filter(([, { ids }]) => ids.length);
    try {
      localStorage.setItem(this.key, JSON.stringify(used));
    } catch {
      this.trouble(used.length, "it keeps nothing, so download the answers before you close the page");
    }
  }

  /** The answer that holds for each clip; one that was handed back before may be taken back. */
  #handedBack() {
    const found = [];
    for (const [key, { stack, sent, revision }] of this.answers) {
      const back = { id: `undo-${sent.at(-1)}`, clip: key, revision: revision + 1, verdict: "undone", replaces: sent };
      if (stack.length) found.push({ ...stack.at(-1), replaces: [...sent, ...stack.at(-1).replaces] });
      else if (sent.length) found.push(back);
    }
    return found;
  }

  #download() {
    const answers = this.#handedBack();
    for (const one of answers) if (one.verdict !== "undone") this.answers.get(one.clip).sent.push(one.id);
    const text = JSON.stringify({ format: ANSWERS_FORMAT, answers }, null, 1);
    const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href, download: "answers.json" }).click();
    this.isChanged = false;
    this.#keep();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }

  async view(clip) {
    const view = this.views.get(clip.key);
    if (view.error || view.address) return { ...view, sound: view.address };
    const [head, data] = view.sound.split(",");
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const type = head.slice("data:".length).split(";")[0];
    // Players move about in this, but not in every address with data.
    view.address = URL.createObjectURL(new Blob([bytes], { type }));
    return { ...view, sound: view.address };
  }

  async similar() {
    return [];
  }
}
