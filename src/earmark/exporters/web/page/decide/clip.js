// From frames to the decision on a clip, and to its time line.
// As earmark.inference.clip, .segmentation.timeline and .segmentation.boundaries.

import { WindowCutter, cutMiddle } from "../dsp/windows.js";
import { decide, pool } from "./rule.js";
import { chosenStates, findSegments } from "./segments.js";

/** Predicts the labels of a clip whose frames come in groups. */
export class ClipPredictor {
  constructor(model, network) {
    Object.assign(this, { model, network });
    this.cutter = new WindowCutter(model.features.n_mels, model.window_frames, model.step_frames);
    this.pending = [];
    this.outputs = [];
    this.peakDb = -Infinity;
  }

  async add(frames) {
    this.pending.push(...this.cutter.add(frames));
    while (this.pending.length >= this.model.batch) {
      await this.#run(this.pending.splice(0, this.model.batch));
    }
  }

  /** The decision, with `novelty` where the model scores it. */
  async finish() {
    this.pending.push(...this.cutter.finish());
    await this.#run(this.pending);
    const { model, outputs } = this;
    const logits = pool(model, outputs.map((one) => one.logits));
    let novelty = null;
    if (outputs[0].novelty !== null) {
      novelty = outputs.reduce((sum, one) => sum + one.novelty, 0) / outputs.length;
    }
    return { ...decide(model, logits, this.peakDb, novelty, model.max_novelty), novelty };
  }

  async #run(windows) {
    for (const one of await this.network.run(windows)) this.outputs.push(one);
    for (const one of windows) this.peakDb = Math.max(this.peakDb, ...one.levels);
  }
}

/** A decision on each window alone. */
export async function decideWindows(model, network, windows) {
  const outputs = await network.run(windows);
  return outputs.map((one, index) => {
    const levelDb = Math.max(...windows[index].levels);
    return decide(model, one.logits, levelDb, one.novelty, model.window_max_novelty);
  });
}

/** Predicts the segments of a recording whose frames come in groups. */
export class TimelinePredictor {
  /** `step` is in frames; `onWindows` gets the decisions on windows as they come. */
  constructor(model, network, step, onWindows) {
    Object.assign(this, { model, network, onWindows });
    this.cutter = new WindowCutter(model.features.n_mels, model.window_frames, step);
    this.reach = Math.floor(model.window_frames / step);
    this.frameSeconds = model.features.hop_length / model.features.sample_rate;
    this.pending = [];
    this.windows = [];
    this.changes = [];
    this.lastState = null;
    // Windows whose middles are not decided yet, with their values.
    this.waiting = [];
    this.numRefined = 0;
  }

  async add(frames) {
    this.pending.push(...this.cutter.add(frames));
    while (this.pending.length >= this.model.batch) {
      await this.#take(this.pending.splice(0, this.model.batch));
    }
  }

  /** Predicts what waits, so that live sound shows at once. */
  async flush() {
    await this.#take(this.pending.splice(0));
  }

  async finish(duration) {
    this.pending.push(...this.cutter.finish());
    await this.flush();
    await this.#refine(this.windows.length);
    return findSegments(this.model, this.windows, duration);
  }

  async #take(cut) {
    if (!cut.length) return;
    const rows = await this.#rows(cut);
    const fresh = cut.map((one, index) => ({
      start: one.start * this.frameSeconds,
      end: one.end * this.frameSeconds,
      row: rows[index].row,
      abstained: rows[index].abstained,
    }));
    this.onWindows(fresh);
    for (const [index, one] of fresh.entries()) {
      const state = chosenStates(this.model, one.row);
      this.changes.push(this.lastState !== null && state !== this.lastState);
      this.lastState = state;
      this.windows.push(one);
      if (this.model.moves_boundaries) this.waiting.push(cut[index]);
    }
    await this.#refine(this.windows.length - this.reach);
  }

  /** Probabilities, or null where the model abstains. */
  async #rows(windows) {
    const found = await decideWindows(this.model, this.network, windows);
    return found.map(({ probabilities, abstained }) => {
      const isDecided = abstained === null || abstained === "background";
      return { abstained, row: isDecided ? probabilities.map(Math.fround) : null };
    });
  }

  /** Near changes of label the middles of windows are predicted, elsewhere the windows hold. */
  async #refine(end) {
    if (!this.model.moves_boundaries) return;
    const near = [];
    for (; this.numRefined < end; this.numRefined++) {
      const one = this.windows[this.numRefined];
      const cut = this.waiting.shift();
      one.middle = one.row;
      const from = Math.max(0, this.numRefined - this.reach);
      const marks = this.changes.slice(from, this.numRefined + this.reach + 1);
      if (marks.some(Boolean)) near.push([one, cutMiddle(cut, this.model.boundary_fraction)]);
    }
    const rows = await this.#rows(near.map(([, middle]) => middle));
    near.forEach(([one], index) => (one.middle = rows[index].row));
  }
}
