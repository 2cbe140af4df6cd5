// The review: which clip is shown, what is chosen for it, and what is saved.

import { byId, element } from "./shared/elements.js";
import { LabelButtons } from "./labels.js";
import { List } from "./list.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { showSimilar } from "./similar.js";
import { answerText, labelText, newId, placeText, seconds, statusOf } from "./text.js";

const LONGEST_VIEW = 120;

export class ReviewPage {
  constructor(queue, backend) {
    Object.assign(this, { queue, backend, views: new Map(), undoable: [] });
    this.byKey = new Map(queue.clips.map((one) => [one.key, one]));
    this.player = new Player((position) => this.picture.setPosition(position));
    this.picture = new Picture({
      changed: (segment) => this.setSegment(segment),
      clicked: (at) => this.player.play(at, null),
    });
    this.labels = new LabelButtons((label) => this.choose(label));
    this.list = new List(queue.clips, (clip, moves) => this.show(clip, moves));
    byId("queue-title").textContent = queue.title;
    byId("save").hidden = false;
    byId("moves").hidden = backend.isStatic;
    this.labels.setLabels(queue.labels);
    this.list.readAddress();
    this.#showProgress();
  }

  tell(text, isBad = false) {
    byId("status").textContent = text;
    byId("status").classList.toggle("bad", isBad);
  }

  /** Shows a clip; `moves` takes the focus there, for those who do not see the page. */
  async show(clip, moves = false) {
    this.clip = clip;
    byId("main").classList.toggle("empty", !clip);
    this.player.show(null);
    this.view = null;
    this.list.setCurrent(clip);
    if (!clip) {
      byId("clip-title").textContent = "No clip fits the filter";
      return;
    }
    this.draft = this.#draftOf(clip);
    this.#render();
    if (moves) byId("clip-title").focus({ preventScroll: true });
    await this.#load(clip, null);
    this.#lookAhead();
  }

  #draftOf(clip) {
    const { answer } = clip;
    const isLabelled = answer?.verdict === "labelled";
    const labels = isLabelled ? answer.labels : clip.label.split(";").filter(Boolean);
    const isMoved = isLabelled && answer.start !== null && answer.start !== undefined;
    return { labels: new Set(labels), segment: isMoved ? { start: answer.start, end: answer.end ?? null } : null };
  }

  get segment() {
    return this.draft.segment ?? { start: this.clip.start, end: this.clip.end };
  }

  /** The end of the segment, where that of the file may be meant. */
  get #end() {
    return this.segment.end ?? this.view?.end ?? this.segment.start;
  }

  async #load(clip, span) {
    byId("sight").setAttribute("aria-busy", "true");
    const view = await this.#viewOf(clip, span);
    if (clip !== this.clip) return;
    byId("sight").removeAttribute("aria-busy");
    const { error } = view;
    byId("clip-error").hidden = !error;
    byId("clip-error").textContent = error ? `This clip has no sound: ${error}` : "";
    byId("sight").hidden = Boolean(error);
    this.view = error ? null : view;
    this.player.show(this.view);
    this.#renderSegment();
    this.picture.show(this.view, this.segment);
    this.#showNotes(view.notes ?? []);
    showSimilar(this, clip);
  }

  async #viewOf(clip, span) {
    const key = span ? `${clip.key} ${span.start}` : clip.key;
    if (!this.views.has(key)) this.views.set(key, this.backend.view(clip, span).then(withBytes));
    const held = [...this.views.keys()];
    if (held.length > 12) this.views.delete(held[0]);
    try {
      return await this.views.get(key);
    } catch (error) {
      this.views.delete(key);
      return { error: `the program does not answer (${error.message})` };
    }
  }

  #lookAhead() {
    const next = this.list.nextOpen();
    if (next) this.#viewOf(next, null);
  }

  #render() {
    const { clip } = this;
    const at = this.list.order.indexOf(clip) + 1;
    byId("clip-title").textContent = clip.name;
    byId("clip-facts").textContent = `${placeText(clip)} · clip ${at} of ${this.list.order.length}${clip.split && ` · ${clip.split} split`}`;
    const status = statusOf(clip);
    byId("verdict").textContent = clip.answer ? `Saved: ${answerText(clip.answer)}` : status === "open" ? "Open" : "";
    this.#showOpinion();
    this.#showConflict();
    this.labels.show(this.draft.labels, clip);
    this.#renderSegment();
  }

  #showOpinion() {
    const { clip } = this;
    const number = (value) => value.toFixed(3);
    const facts = [
      ["Given", clip.label.replaceAll(";", ", ")],
      ["Model", clip.predicted && clip.predicted.replaceAll(";", ", ") + (clip.probability === null ? "" : ` (${number(clip.probability)})`)],
      ["Score", clip.score === null ? "" : number(clip.score)],
      ["Why", clip.reason],
    ].filter(([, value]) => value);
    byId("opinion").replaceChildren(
      ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }

  #showConflict() {
    const { clip } = this;
    const box = byId("conflict");
    box.hidden = !clip.conflicts.length;
    if (box.hidden) return;
    const answers = [clip.answer, ...clip.conflicts].filter(Boolean);
    const buttons = answers.map((one, index) => {
      const button = element("button", { type: "button" }, `${index ? "Use" : "Keep"} ${answerText(one).toLowerCase() === "" ? "no answer" : answerText(one)}`);
      button.onclick = () => this.#settleWith(one);
      return button;
    });
    box.replaceChildren(
      element("p", {}, "Another tab answered this clip first. Both answers are kept; the first one counts until you choose."),
      element("div", { className: "buttons" }, ...buttons),
    );
  }

  #settleWith(answer) {
    const { verdict, labels, start, end } = answer;
    this.#submit({ verdict, labels, start: start ?? null, end: end ?? null });
  }

  #renderSegment() {
    const { start } = this.segment;
    byId("start").value = start.toFixed(3);
    byId("end").value = this.view || this.segment.end !== null ? this.#end.toFixed(3) : "";
    byId("reset").hidden = !this.draft.segment;
    const words = `Segment from ${seconds(start)} to ${seconds(this.#end)}`;
    byId("canvas").setAttribute("aria-label", `Spectrogram. ${words}`);
    this.picture.setSegment(this.segment);
  }

  #showNotes(notes) {
    byId("notes").hidden = !notes.length;
    byId("notes").replaceChildren(...notes.map((one) => element("li", {}, one)));
  }

  /** Takes another segment; null for that of the queue. */
  setSegment(segment) {
    if (!this.clip) return;
    if (segment && !(segment.start >= 0 && segment.end - segment.start >= 0.1 - 1e-9)) {
      this.tell("A segment lasts 0.1 s or more and starts at 0 s or later", true);
    } else {
      this.draft.segment = segment;
      this.tell(segment ? `Segment ${placeText(segment)}; Enter saves it` : "Segment as in the queue");
    }
    this.#renderSegment();
  }

  setBound(name, value) {
    const both = { start: this.segment.start, end: this.#end, [name]: Math.round(value * 1000) / 1000 };
    this.setSegment(both);
  }

  choose(label) {
    const { draft, queue } = this;
    if (!this.clip) return;
    if (!queue.labels.includes(label)) {
      if (label.includes(";")) return this.tell("A label holds no semicolon, as that separates labels", true);
      queue.labels.push(label);
      this.labels.setLabels(queue.labels);
    }
    if (!queue.is_multi_label) {
      draft.labels = new Set([label]);
      this.saveLabels();
      return;
    }
    if (!draft.labels.delete(label)) draft.labels.add(label);
    this.labels.show(draft.labels, this.clip);
    this.tell(`Chosen: ${labelText([...draft.labels])}; Enter saves`);
  }

  saveLabels() {
    const labels = [...this.draft.labels].sort();
    if (!labels.length && !this.queue.is_multi_label) {
      this.tell("Choose a label first", true);
      return;
    }
    const { start = null, end = null } = this.draft.segment ?? {};
    this.#submit({ verdict: "labelled", labels, start, end });
  }

  say(verdict) {
    if (this.clip) this.#submit({ verdict, labels: [], start: null, end: null });
  }

  #submit(said, clip = this.clip) {
    const answer = { id: newId(), clip: clip.key, revision: clip.revision, ...said };
    if (said.verdict !== "undone") this.undoable.push({ id: answer.id, key: clip.key, before: clip.answer });
    clip.answer = said.verdict === "undone" ? clip.undone : answer;
    clip.revision += 1;
    clip.conflicts = [];
    this.backend.save(answer);
    this.#showProgress();
    if (said.verdict === "undone") return;
    const next = this.list.nextOpen();
    this.tell(`${answerText(answer)}: ${clip.name}${next ? "" : ". No clip is open in this list"}`);
    if (next) this.show(next, true);
    else this.show(clip, true);
  }

  undo() {
    const last = this.undoable.pop();
    const clip = last && this.byKey.get(last.key);
    if (!clip) return this.tell("Nothing to take back");
    if (clip.answer?.id !== last.id) return this.tell(`${clip.name} was answered again since; change it there`, true);
    clip.undone = last.before;
    this.#submit({ verdict: "undone", labels: [], start: null, end: null }, clip);
    this.show(clip, true);
    this.tell(`Taken back: ${clip.name}`);
  }

  step(by) {
    const clip = this.list.step(by);
    if (clip) this.show(clip, true);
    else this.tell(by < 0 ? "This is the first clip" : "This is the last clip");
  }

  playOrStop(isAll = false) {
    if (!this.view) return;
    if (this.player.isPlaying) this.player.stop();
    else if (isAll) this.player.play(this.view.start, null);
    else this.player.play(this.segment.start, this.#end);
  }

  /** Shows another part of the recording. */
  look(by, factor = 1) {
    if (!this.view || this.backend.isStatic) return;
    const { start, end } = this.view;
    const long = Math.min(LONGEST_VIEW, (end - start) * factor);
    const middle = (start + end) / 2 + by * (end - start);
    const from = Math.max(0, middle - long / 2);
    if (by > 0 && this.view.is_at_end) return this.tell("The recording ends here");
    if (by < 0 && start === 0) return this.tell("The recording starts here");
    const span = { start: Math.round(from * 1000) / 1000, end: Math.round((from + long) * 1000) / 1000 };
    this.#load(this.clip, span);
  }

  /** What became of an answer. */
  settle(answer, status, found) {
    const clip = this.byKey.get(answer.clip);
    if (!clip) return;
    if (status >= 400 && status !== 409) {
      this.tell(`Not saved (${clip.name}): ${found.error}`, true);
      this.#refresh(clip);
      return;
    }
    if (!this.backend.hasWaiting(clip.key)) this.#take(clip, found);
    if (status === 409) this.tell(`${clip.name}: another tab answered first; see the clip`, true);
  }

  /** An answer that cannot be: the clip is as it was. */
  #refresh(clip) {
    const at = this.undoable.findLastIndex((one) => one.key === clip.key);
    if (at >= 0) clip.answer = this.undoable.splice(at, 1)[0].before;
    clip.revision -= 1;
    this.#renewShown(clip);
  }

  /** Clips that other tabs answered. */
  takeChanges(changes, labels) {
    this.queue.labels = labels;
    this.labels.setLabels(labels);
    for (const [key, found] of changes) {
      const clip = this.byKey.get(key);
      if (clip && clip.revision !== found.revision) this.#take(clip, found);
    }
  }

  #take(clip, found) {
    Object.assign(clip, { revision: found.revision, answer: found.answer, conflicts: found.conflicts });
    this.#renewShown(clip);
  }

  #renewShown(clip) {
    if (clip === this.clip) this.#render();
    this.list.render();
    this.#showProgress();
  }

  #showProgress() {
    const { clips } = this.queue;
    const counts = { labelled: 0, unsure: 0, skipped: 0, open: 0, conflict: 0 };
    for (const one of clips) counts[statusOf(one)] += 1;
    const done = clips.length - counts.open;
    const parts = ["labelled", "unsure", "skipped", "conflict"].filter((one) => counts[one]);
    const detail = parts.map((one) => `${counts[one]} ${one === "conflict" ? "in conflict" : one}`).join(", ");
    byId("done-text").textContent = `${done} of ${clips.length} done${detail && ` (${detail})`}`;
    byId("done-bar").style.setProperty("--value", String(done / clips.length));
  }
}

/** The bytes of the picture, in place of their text. */
function withBytes(view) {
  if (view.error) return view;
  const values = Uint8Array.from(atob(view.picture), (one) => one.charCodeAt(0));
  const { bands, frames_per_second: framesPerSecond } = view;
  return { ...view, picture: { values, length: values.length, bands, framesPerSecond, loudest: 255 } };
}
