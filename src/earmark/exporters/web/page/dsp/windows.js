// Cuts frames into the windows of the network, as earmark.features.windows.

/** Windows of a clip whose frames come in groups, as soon as their last frame is there. */
export class WindowCutter {
  /** Lengths are in frames: of a window, and from the start of one to the start of the next. */
  constructor(mels, length, step) {
    Object.assign(this, { mels, length, step });
    this.values = new Float32Array(0);
    this.levels = new Float64Array(0);
    this.firstHeld = 0;
    this.start = 0;
    this.numFrames = 0;
  }

  /** The windows that the next frames complete; often none. */
  add(frames) {
    this.values = joined(Float32Array, this.values, frames.values);
    this.levels = joined(Float64Array, this.levels, frames.levels);
    this.numFrames = this.firstHeld + this.levels.length;
    const windows = [];
    for (; this.start + this.length <= this.numFrames; this.start += this.step) {
      windows.push(this.#cut(this.start));
    }
    // The last window ends with the clip, wherever that may be.
    const wanted = Math.min(this.start, this.numFrames - this.length);
    const keep = Math.max(this.firstHeld, wanted) - this.firstHeld;
    this.values = this.values.slice(keep * this.mels);
    this.levels = this.levels.slice(keep);
    this.firstHeld += keep;
    return windows;
  }

  /** The last window, where the end of the clip needs one more. */
  finish() {
    if (!this.numFrames) return [];
    const last = Math.max(0, this.numFrames - this.length);
    if (this.start && last <= this.start - this.step) return [];
    return [this.#cut(last)];
  }

  /** A window, bands first; a clip that is shorter is repeated until it fills the window. */
  #cut(start) {
    const { mels, length, values, levels } = this;
    const first = start - this.firstHeld;
    const count = Math.min(length, levels.length - first);
    const data = new Float32Array(mels * length);
    for (let frame = 0; frame < length; frame++) {
      const from = (first + (frame % count)) * mels;
      for (let band = 0; band < mels; band++) data[band * length + frame] = values[from + band];
    }
    const own = Float64Array.from({ length }, (_, frame) => levels[first + (frame % count)]);
    return { start, end: start + count - 1, data, levels: own, mels };
  }
}

/** The middle of a window, repeated until it fills a window, as short clips are. */
export function cutMiddle(window, fraction) {
  const length = window.levels.length;
  const { mels } = window;
  const middle = Math.max(1, roundHalfEven(length * fraction));
  const first = Math.floor((length - middle) / 2);
  const data = new Float32Array(mels * length);
  for (let band = 0; band < mels; band++) {
    for (let frame = 0; frame < length; frame++) {
      data[band * length + frame] = window.data[band * length + first + (frame % middle)];
    }
  }
  const levels = window.levels.map((_, frame) => window.levels[first + (frame % middle)]);
  return { ...window, data, levels };
}

/** As Python rounds: a half to the even number. */
export function roundHalfEven(value) {
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 ? near - 1 : near;
}

export function joined(Type, one, other) {
  if (!one.length) return other;
  const both = new Type(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
