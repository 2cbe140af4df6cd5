// The spectrogram with the segment, which can be drawn, moved and resized.

import { byId } from "./shared/elements.js";
import { drawAxis, drawSpectrogram } from "./shared/spectrogram.js";

const AXIS_HEIGHT = 20;
const SHORTEST = 0.1;
const CLICK_PIXELS = 4;

const round = (value) => Math.round(value * 1000) / 1000;

export class Picture {
  /** `changed` gets a new segment, `clicked` an instant of the recording. */
  constructor({ changed, clicked }) {
    Object.assign(this, { changed, clicked });
    this.canvas = byId("canvas");
    this.view = null;
    this.segment = { start: 0, end: 1 };
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(view, segment) {
    this.view = view;
    this.segment = segment;
    this.draw();
  }

  setSegment(segment) {
    this.segment = segment;
    this.#placeSegment();
  }

  setPosition(position) {
    const head = byId("playhead");
    const part = this.view ? (position - this.view.start) / this.#length : -1;
    head.hidden = position === null || part < 0 || part > 1;
    head.style.transform = `translateX(${part * this.canvas.clientWidth}px)`;
  }

  get #length() {
    return this.view.end - this.view.start;
  }

  draw() {
    const { canvas, view } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!view || !width) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const place = { top: 0, height: height - AXIS_HEIGHT, width, scale };
    drawSpectrogram(context, view.picture, { start: 0, length: this.#length }, place);
    const style = getComputedStyle(canvas);
    const [ink, paper] = ["--ink", "--card"].map((one) => style.getPropertyValue(one));
    const axis = { start: view.start, length: this.#length };
    const x = (at) => ((at - view.start) / this.#length) * width;
    drawAxis(context, x, axis, { top: height - AXIS_HEIGHT, width, ink });
    drawTicks(context, view.ticks, height - AXIS_HEIGHT, { ink, paper });
    this.#placeSegment();
  }

  #placeSegment() {
    if (!this.view) return;
    const box = byId("segment");
    const x = (at) => ((at - this.view.start) / this.#length) * this.canvas.clientWidth;
    const left = Math.max(-8, x(this.segment.start));
    const right = Math.min(this.canvas.clientWidth + 8, x(this.segment.end ?? this.view.end));
    box.hidden = right <= left;
    box.style.left = `${left}px`;
    box.style.width = `${Math.max(4, right - left)}px`;
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    const part = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    return this.view.start + part * this.#length;
  }

  #listen() {
    const area = byId("view");
    area.onpointerdown = (event) => {
      if (!this.view || event.button) return;
      const before = { ...this.segment, end: this.segment.end ?? this.view.end };
      this.drag = { from: this.#at(event), x: event.clientX, before, how: howOf(event.target) };
      area.setPointerCapture(event.pointerId);
    };
    area.onpointermove = (event) => {
      if (!this.drag) return;
      this.drag.isMoved ||= Math.abs(event.clientX - this.drag.x) > CLICK_PIXELS;
      if (this.drag.isMoved) this.setSegment(this.#dragged(this.#at(event)));
    };
    area.onpointerup = (event) => {
      if (!this.drag) return;
      const { isMoved } = this.drag;
      const at = this.#at(event);
      const segment = this.#dragged(at);
      this.drag = null;
      if (isMoved) this.changed(segment);
      else this.clicked(at);
    };
    // The finger scrolls the page after all.
    area.onpointercancel = () => {
      if (this.drag) this.setSegment(this.drag.before);
      this.drag = null;
    };
  }

  #dragged(at) {
    const { from, before, how } = this.drag;
    if (how === "left") return ordered(Math.min(at, before.end - SHORTEST), before.end);
    if (how === "right") return ordered(before.start, Math.max(at, before.start + SHORTEST));
    if (how === "draw") return ordered(...(from < at ? [from, at] : [at, from]));
    const long = before.end - before.start;
    const start = Math.max(0, before.start + at - from);
    return ordered(start, start + long);
  }
}

/** Frequencies at the left edge. */
function drawTicks(context, ticks, height, { ink, paper }) {
  context.fillStyle = ink;
  context.strokeStyle = paper;
  context.lineWidth = 3;
  context.lineJoin = "round";
  for (const [hz, part] of ticks) {
    const y = height * (1 - part);
    const text = hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`;
    context.fillRect(0, y, 6, 1);
    context.strokeText(text, 10, y);
    context.fillText(text, 10, y);
  }
}

function ordered(start, end) {
  return { start: round(start), end: round(Math.max(end, start + SHORTEST)) };
}

function howOf(target) {
  if (target.classList.contains("left")) return "left";
  if (target.classList.contains("right")) return "right";
  return target.id === "segment" ? "move" : "draw";
}
