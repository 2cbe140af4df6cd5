// The recording that is shown: time line, playback and downloads.

import { draw, lineLabels } from "./canvas.js";
import { FORMATS, save, stem } from "./downloads.js";
import { byId, clock, colorOf, decisionText, duration, element, percent } from "./text.js";

const SHORTEST_VIEW = 2;
const MAX_ROWS = 2000;
const LIVE_SECONDS = 20;

export class Detail {
  constructor(model) {
    this.model = model;
    this.track = null;
    this.view = { start: 0, length: 1 };
    this.zoom = 1;
    this.audio = byId("audio");
    this.canvas = byId("canvas");
    this.#listen();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Shows another recording. */
  show(track) {
    if (this.track !== track) {
      this.zoom = 1;
      this.track = track;
      URL.revokeObjectURL(this.audio.src);
      this.audio.removeAttribute("src");
      this.view.start = 0;
      this.hasSource = false;
    }
    byId("detail").hidden = false;
    this.update();
  }

  hide() {
    this.audio.pause();
    this.track = null;
    byId("detail").hidden = true;
  }

  /** Shows what has become known. */
  update() {
    const { track } = this;
    if (track.blob && !this.hasSource) {
      this.audio.src = URL.createObjectURL(track.blob);
      this.hasSource = true;
    }
    byId("detail-title").textContent = track.path;
    byId("detail-facts").textContent = this.#facts();
    this.#showDecision();
    this.#showBars();
    byId("player").hidden = !track.blob;
    byId("downloads").hidden = !track.result;
    byId("downloads").querySelector("[data-format=wav]").hidden = !track.isRecording;
    this.#showSegments();
    this.redraw();
  }

  #facts() {
    const { track } = this;
    if (track.status === "failed") return track.message;
    if (track.isLive) return `Listening: ${clock(track.seconds)}`;
    if (!track.result) return track.seconds ? `${clock(track.seconds)} done` : "Waiting";
    const speed = track.elapsedSeconds ? track.result.duration_seconds / track.elapsedSeconds : 0;
    const facts = [duration(track.result.duration_seconds), `${track.rate / 1000} kHz`];
    if (speed) facts.push(`${speed.toFixed(speed < 10 ? 1 : 0)} times real time`);
    return facts.join(" · ");
  }

  #showDecision() {
    const { track } = this;
    const row = track.isLive ? track.windows.at(-1)?.row : null;
    let shown = [];
    if (track.result?.labels.length) shown = track.result.labels;
    else if (row) shown = this.model.labels.filter((_, k) => this.#isOver(row, k));
    const chips = shown.map((label) =>
      element("span", { className: "chip", "--color": colorOf(this.model.labels.indexOf(label)) }, label),
    );
    if (!chips.length && track.result) chips.push(decisionText(track.result));
    byId("decision").replaceChildren(...chips);
  }

  /** Whether a label is chosen in one window of live sound. */
  #isOver(row, index) {
    const { task, thresholds, background } = this.model;
    if (index === background) return false;
    if (task === "multi_label") return row[index] >= thresholds[index];
    if (task === "binary") return (row[1] >= thresholds[0] ? 1 : 0) === index;
    return row.indexOf(Math.max(...row)) === index;
  }

  #showBars() {
    const { track } = this;
    const labels = this.model.labels;
    const last = track.windows.at(-1)?.row;
    const values = track.result ? labels.map((one) => track.result.probabilities[one]) : last;
    const bars = labels.map((label, index) =>
      element(
        "div",
        { "--value": String(values?.[index] ?? 0), "--color": colorOf(index) },
        element("dt", {}, label),
        element(
          "dd",
          {},
          element("span", { className: "bar", ariaHidden: "true" }, element("i")),
          element("span", { className: "number" }, values ? percent(values[index]) : "–"),
        ),
      ),
    );
    const list = byId("bars");
    list.replaceChildren(...bars);
    // So many that they scroll: also by keyboard.
    if (list.scrollHeight > list.clientHeight) list.tabIndex = 0;
    else list.removeAttribute("tabindex");
  }

  #showSegments() {
    const segments = this.track.result?.segments;
    byId("segments-details").hidden = !segments;
    if (!segments) return;
    const count = segments.length;
    byId("segments-title").textContent = count === 1 ? "1 segment" : `${count} segments`;
    const rows = segments.slice(0, MAX_ROWS).map((one) => {
      const at = element("button", { type: "button", className: "link" }, one.start.toFixed(3));
      at.setAttribute("aria-label", `Play from ${one.start.toFixed(3)} seconds`);
      at.onclick = () => this.seek(one.start, true);
      return element(
        "tr",
        {},
        element("td", {}, at),
        element("td", {}, one.end.toFixed(3)),
        element("td", {}, one.label),
        element("td", { className: "number" }, one.probability.toFixed(3)),
      );
    });
    byId("segments").tBodies[0].replaceChildren(...rows);
    const spoken = segments
      .slice(0, 20)
      .map((one) => `${one.label} from ${one.start.toFixed(1)} to ${one.end.toFixed(1)} seconds`);
    const more = count > 20 ? `, and ${count - 20} more` : "";
    const text = count ? spoken.join(", ") + more : "no segments";
    this.canvas.setAttribute("aria-label", `Time line of ${this.track.path}: ${text}`);
  }

  /** Draws again, soon. */
  redraw() {
    if (!this.track || this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      if (!this.track) return;
      this.#fitView();
      draw(this.canvas, this.track, this.view);
      this.#showLegend();
      this.#showPosition();
    });
  }

  #fitView() {
    const whole = this.track.shownSeconds;
    if (this.track.isLive) {
      const start = Math.max(0, this.track.seconds - LIVE_SECONDS);
      this.view = { start, length: LIVE_SECONDS };
      return;
    }
    const length = Math.max(Math.min(SHORTEST_VIEW, whole), whole / this.zoom);
    const start = Math.max(0, Math.min(this.view.start, whole - length));
    this.view = { start, length };
  }

  #showLegend() {
    const items = lineLabels(this.track).map((index) =>
      element("span", { className: "swatch", "--color": colorOf(index) }, this.model.labels[index]),
    );
    const key = `${items.map((one) => one.textContent)}`;
    if (key === this.legendKey) return;
    this.legendKey = key;
    byId("legend").replaceChildren(...items);
  }

  #showPosition() {
    const { audio, track, view } = this;
    const length = track.shownSeconds;
    const at = track.isLive ? track.seconds : audio.currentTime;
    const part = (at - view.start) / view.length;
    const head = byId("playhead");
    head.hidden = track.isLive || !track.blob || part < 0 || part > 1;
    head.style.transform = `translateX(${part * this.canvas.clientWidth}px)`;
    byId("clock").textContent = `${clock(at)} / ${clock(length)}`;
    const seek = byId("seek");
    seek.max = String(length);
    seek.value = String(at);
    seek.setAttribute("aria-valuetext", `${clock(at)} of ${clock(length)}`);
  }

  /** Moves the playback. */
  seek(seconds, plays = false) {
    this.audio.currentTime = Math.max(0, Math.min(seconds, this.track.shownSeconds));
    this.#follow();
    if (plays) this.audio.play();
    this.#showPosition();
  }

  /** Keeps the position in view. */
  #follow() {
    const at = this.audio.currentTime;
    const { start, length } = this.view;
    if (this.zoom === 1 || (at >= start && at <= start + length)) return;
    this.view.start = at - 0.1 * length;
    this.redraw();
  }

  #zoomBy(factor) {
    const most = Math.max(1, this.track.shownSeconds / SHORTEST_VIEW);
    const at = this.audio.currentTime;
    this.zoom = Math.max(1, Math.min(most, this.zoom * factor));
    const length = this.track.shownSeconds / this.zoom;
    this.view.start = at - length / 2;
    this.redraw();
  }

  #tick() {
    if (!this.track || this.audio.paused) return;
    this.#follow();
    this.#showPosition();
    requestAnimationFrame(() => this.#tick());
  }

  #listen() {
    const { audio } = this;
    const play = byId("play");
    play.onclick = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
    audio.onplay = () => {
      play.textContent = "❚❚";
      play.ariaLabel = "Pause";
      this.#tick();
    };
    audio.onpause = () => {
      play.textContent = "▶";
      play.ariaLabel = "Play";
      if (this.track) this.#showPosition();
    };
    byId("seek").oninput = (event) => this.seek(Number(event.target.value));
    byId("zoom-in").onclick = () => this.#zoomBy(2);
    byId("zoom-out").onclick = () => this.#zoomBy(0.5);
    byId("view").onclick = (event) => {
      if (!this.track?.blob) return;
      const box = this.canvas.getBoundingClientRect();
      this.seek(this.view.start + ((event.clientX - box.left) / box.width) * this.view.length);
    };
    byId("downloads").onclick = ({ target }) => {
      const { format } = target.dataset;
      const { track } = this;
      if (format === "wav") save(track.blob, `${stem(track.path)}.wav`);
      if (!FORMATS[format]) return;
      const { suffix, type, render } = FORMATS[format];
      save(render(track), `${stem(track.path)}${suffix}`, type);
    };
  }
}
