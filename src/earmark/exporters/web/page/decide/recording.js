// From a sound to its prediction, in one pass and in bounded memory.

import { SoundError } from "../decode/bytes.js";
import { MIN_SECONDS, downmix } from "../decode/open.js";
import { LogMel } from "../dsp/log_mel.js";
import { Resampler } from "../dsp/resample.js";
import { ClipPredictor, TimelinePredictor } from "./clip.js";

/** Decibels that a byte of the picture holds: from here up, in halves. */
export const LOWEST_DB = -100;

/** The steps from samples to frames, and what they count. */
export class FrameStream {
  constructor(features, rate) {
    this.rate = rate;
    this.resampler = new Resampler(rate, features.sample_rate);
    this.logMel = new LogMel(features);
    this.channel = features.channel ?? 0;
    this.numNative = 0;
    this.numSamples = 0;
    this.modelRate = features.sample_rate;
  }

  get seconds() {
    return this.numSamples / this.modelRate;
  }

  add(channels) {
    const mono = downmix(channels, this.channel);
    this.numNative += mono.length;
    return this.#frames(this.resampler.add(mono));
  }

  finish() {
    if (this.numNative < Math.floor(MIN_SECONDS * this.rate + 1e-6)) {
      throw new SoundError(`shorter than ${MIN_SECONDS} s`);
    }
    const rest = this.#frames(this.resampler.finish());
    const last = this.logMel.finish();
    const values = new Float32Array(rest.values.length + last.values.length);
    values.set(rest.values);
    values.set(last.values, rest.values.length);
    const levels = new Float64Array(rest.count + last.count);
    levels.set(rest.levels);
    levels.set(last.levels, rest.count);
    return { count: levels.length, values, levels };
  }

  #frames(samples) {
    this.numSamples += samples.length;
    return this.logMel.add(samples);
  }
}

/** Values of frames as bytes, for the picture. */
export function picture(frames) {
  return Uint8Array.from(frames.values, (value) =>
    Math.max(0, Math.min(255, Math.round(2 * (value - LOWEST_DB)))),
  );
}

/** Predicts a sound whose blocks come one after another. */
export class Recording {
  /** `report` gets what is known so far: seconds, bytes of the picture and windows. */
  constructor(model, network, rate, report) {
    this.model = model;
    this.report = report;
    this.stream = new FrameStream(model.features, rate);
    this.clip = new ClipPredictor(model, network);
    this.windows = [];
    this.timeline = new TimelinePredictor(model, network, model.hop_frames, (fresh) =>
      this.windows.push(...fresh),
    );
  }

  /** Takes samples, a Float32Array a channel; live sound is predicted at once. */
  async add(channels, isLive = false) {
    await this.#take(this.stream.add(channels));
    if (isLive) await this.timeline.flush();
    this.#tell();
  }

  /** The prediction, as `earmark predict --segments --json` prints it. */
  async finish() {
    await this.#take(this.stream.finish());
    const { model } = this;
    const decision = await this.clip.finish();
    const seconds = this.stream.seconds;
    const segments = await this.timeline.finish(seconds);
    this.#tell();
    const labels = model.labels.filter((_, index) => decision.chosen[index]);
    return {
      labels,
      abstained: decision.abstained,
      probabilities: Object.fromEntries(
        model.labels.map((label, index) => [label, decision.probabilities[index]]),
      ),
      novelty: decision.novelty,
      duration_seconds: seconds,
      segments,
    };
  }

  async #take(frames) {
    this.bytes = picture(frames);
    await this.clip.add(frames);
    await this.timeline.add(frames);
  }

  #tell() {
    this.report({ seconds: this.stream.seconds, picture: this.bytes, windows: this.windows });
    this.bytes = new Uint8Array(0);
    this.windows = [];
  }
}
