// The front end: samples to log-mel frames, as earmark.features.log_mel computes them.

import { Fft } from "./fft.js";

const FLOOR = 1e-10;
const LOWEST_POWER = 1e-20;

function hzToMel(hz, scale) {
  if (scale === "htk") return 2595 * Math.log10(1 + hz / 700);
  if (hz < 1000) return (hz * 3) / 200;
  return 15 + (Math.log(hz / 1000) * 27) / Math.log(6.4);
}

function melToHz(mel, scale) {
  if (scale === "htk") return 700 * (10 ** (mel / 2595) - 1);
  if (mel < 15) return (mel * 200) / 3;
  return 1000 * Math.exp((Math.log(6.4) / 27) * (mel - 15));
}

/** The triangular filter of each band: its first bin, and the weights from there on. */
export function melFilterbank(config, norm = config.mel_norm) {
  const top = config.f_max ?? config.sample_rate / 2;
  const scale = config.mel_scale;
  const low = hzToMel(config.f_min, scale);
  const step = (hzToMel(top, scale) - low) / (config.n_mels + 1);
  const edge = (index) => melToHz(low + index * step, scale);
  const binHz = config.sample_rate / config.n_fft;
  return Array.from({ length: config.n_mels }, (_, band) => {
    const [left, centre, right] = [edge(band), edge(band + 1), edge(band + 2)];
    const height = norm === "slaney" ? 2 / (right - left) : 1;
    const weights = [];
    const first = Math.max(0, Math.floor(left / binHz));
    const last = Math.min(config.n_fft / 2, Math.ceil(right / binHz));
    for (let bin = first; bin <= last; bin++) {
      const rising = (bin * binHz - left) / (centre - left);
      const falling = (right - bin * binHz) / (right - centre);
      weights.push(height * Math.max(0, Math.min(rising, falling)));
    }
    return { first, weights: Float64Array.from(weights) };
  });
}

/** A periodic Hann window, centred in a transform. */
export function hannWindow(config) {
  const { win_length: length, n_fft: size } = config;
  const before = Math.floor((size - length) / 2);
  const window = new Float64Array(size);
  for (let k = 0; k < length; k++) {
    window[before + k] = 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / length);
  }
  return window;
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** A number rounded to the nearest that 16 bits hold, by way of 32 bits. */
export function roundToHalf(value) {
  single[0] = value;
  if (Math.abs(single[0]) < 2 ** -14) {
    const steps = single[0] * 2 ** 24;
    const near = Math.round(steps);
    const isTie = near - steps === 0.5;
    return (isTie && near % 2 ? near - 1 : near) / 2 ** 24;
  }
  bits[0] = (bits[0] + 0xfff + ((bits[0] >>> 13) & 1)) & ~0x1fff;
  return single[0];
}

/** What weighs the energies of bands so that they add up to the mean square of a frame. */
function levelWeights(config, filters, window) {
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const parseval = 2 / (config.n_fft * sum(window.map((value) => value ** 2)));
  const peaks = melFilterbank(config, "none");
  return Float64Array.from(filters, (filter, band) => {
    const area = sum(filter.weights) ** (-2 / config.power);
    return parseval * sum(peaks[band].weights) * area;
  });
}

/** Frames of sound that comes in blocks of any sizes; two share one complex transform. */
export class LogMel {
  constructor(config) {
    this.config = config;
    this.fft = new Fft(config.n_fft);
    this.window = hannWindow(config);
    this.filters = melFilterbank(config);
    this.levelWeights = levelWeights(config, this.filters, this.window);
    this.floorPower = 10 ** (roundToHalf((20 / config.power) * Math.log10(FLOOR)) / 10);
    this.scale = 20 / config.power / Math.log(10);
    this.re = new Float64Array(config.n_fft);
    this.im = new Float64Array(config.n_fft);
    this.energies = [0, 1].map(() => new Float64Array(config.n_fft / 2 + 1));
    // Silence before the first sample; frames are centred.
    this.held = new Float32Array(config.n_fft / 2);
    this.skip = 0;
  }

  /** The frames that the next samples complete: values, frame by frame, and levels in dB. */
  add(samples) {
    const { hop_length: hop, n_fft: size, n_mels: mels } = this.config;
    const held = new Float32Array(this.held.length + samples.length);
    held.set(this.held);
    held.set(samples, this.held.length);
    const count = Math.max(0, Math.floor((held.length - this.skip - size) / hop) + 1);
    const frames = { count, values: new Float32Array(count * mels), levels: new Float64Array(count) };
    for (let frame = 0; frame < count; frame += 2) {
      const at = this.skip + frame * hop;
      this.#transform(held, at, frame + 1 < count ? at + hop : -1);
      this.#bands(this.energies[0], frames, frame);
      if (frame + 1 < count) this.#bands(this.energies[1], frames, frame + 1);
    }
    const used = this.skip + count * hop;
    const from = Math.min(used, held.length);
    // Where the hop exceeds the transform, the next frame may begin beyond the last sample.
    this.skip = used - from;
    this.held = held.slice(from);
    return frames;
  }

  /** The last frames, with silence after the last sample. */
  finish() {
    return this.add(new Float32Array(this.config.n_fft / 2));
  }

  #transform(samples, first, second) {
    const { re, im, window } = this;
    const size = re.length;
    for (let k = 0; k < size; k++) re[k] = samples[first + k] * window[k];
    if (second < 0) im.fill(0);
    else for (let k = 0; k < size; k++) im[k] = samples[second + k] * window[k];
    this.fft.forward(re, im);
    const [one, other] = this.energies;
    for (let k = 0; k <= size / 2; k++) {
      const mirror = (size - k) % size;
      const evenR = re[k] + re[mirror], evenI = im[k] - im[mirror];
      const oddR = im[k] + im[mirror], oddI = re[mirror] - re[k];
      one[k] = (evenR * evenR + evenI * evenI) / 4;
      other[k] = (oddR * oddR + oddI * oddI) / 4;
    }
  }

  #bands(energy, frames, frame) {
    const { power, n_mels: mels } = this.config;
    if (power !== 2) for (let k = 0; k < energy.length; k++) energy[k] **= power / 2;
    let meanSquare = 0;
    for (let band = 0; band < mels; band++) {
      const { first, weights } = this.filters[band];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += energy[first + k] * weights[k];
      const value = roundToHalf(Math.log(Math.max(sum, FLOOR)) * this.scale);
      frames.values[frame * mels + band] = value;
      meanSquare += Math.max(10 ** (value / 10) - this.floorPower, 0) * this.levelWeights[band];
    }
    frames.levels[frame] = 10 * Math.log10(Math.max(meanSquare, LOWEST_POWER));
  }
}
