// Changes the rate of sound that comes in blocks, with the filter of soxr's quality "HQ".

import { Fft } from "./fft.js";

const PASSBAND = 0.9136;
const ATTENUATION_DB = 126.4;
const EDGES_IN_BLOCK = 8;
const LARGEST_STEP = 1 << 16;

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/** The modified Bessel function of the first kind and order zero. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** One half of a symmetric low-pass filter, the middle first: a sinc with Kaiser's window. */
export function lowPass(ratio) {
  const width = 0.5 * ratio * (1 - PASSBAND);
  const cutoff = 0.25 * ratio * (1 + PASSBAND);
  const half = Math.ceil((ATTENUATION_DB - 7.95) / (14.36 * width) / 2);
  const beta = 0.1102 * (ATTENUATION_DB - 8.7);
  const taps = Float64Array.from({ length: half + 1 }, (_, k) => {
    const sinc = k ? Math.sin(2 * Math.PI * cutoff * k) / (Math.PI * k) : 2 * cutoff;
    return (sinc * bessel(beta * Math.sqrt(1 - (k / (half + 1)) ** 2))) / bessel(beta);
  });
  const sum = taps.reduce((total, tap, k) => total + (k ? 2 : 1) * tap, 0);
  return taps.map((tap) => tap / sum);
}

/**
 * Resamples by the spectrum of overlapping blocks: it is filtered, then cut or padded to the size
 * of the other rate. A block and its successor are the real and imaginary part of one transform.
 */
export class Resampler {
  constructor(inRate, outRate) {
    const common = divisor(inRate, outRate);
    this.inStep = inRate / common;
    this.outStep = outRate / common;
    this.isSame = inRate === outRate;
    if (this.isSame) return;
    if (Math.max(this.inStep, this.outStep) > LARGEST_STEP) {
      throw new RangeError(`${inRate} Hz: a rate without a simple ratio to ${outRate} Hz`);
    }
    const taps = lowPass(Math.min(1, outRate / inRate));
    const edgeSteps = Math.ceil((taps.length - 1) / this.inStep);
    const steps = 2 ** Math.ceil(Math.log2(EDGES_IN_BLOCK * edgeSteps));
    this.edge = edgeSteps * this.inStep;
    this.outEdge = edgeSteps * this.outStep;
    this.inSize = steps * this.inStep;
    this.outSize = steps * this.outStep;
    this.hop = this.inSize - 2 * this.edge;
    this.inFft = new Fft(this.inSize);
    this.outFft = new Fft(this.outSize);
    this.response = this.#respond(taps);
    this.inRe = new Float64Array(this.inSize);
    this.inIm = new Float64Array(this.inSize);
    this.outRe = new Float64Array(this.outSize);
    this.outIm = new Float64Array(this.outSize);
    // Silence before the first sample.
    this.held = new Float32Array(this.edge);
    this.numIn = 0;
    this.numOut = 0;
  }

  /** The real gain at each frequency, with the scale of both transforms. */
  #respond(taps) {
    const gain = new Float64Array(this.inSize);
    taps.forEach((tap, k) => {
      gain[k] = tap;
      if (k) gain[this.inSize - k] = tap;
    });
    this.inFft.forward(gain, new Float64Array(this.inSize));
    return gain.map((value) => value / this.inSize);
  }

  /** The samples at the new rate that the next samples complete. */
  add(samples) {
    if (this.isSame) return samples;
    this.numIn += samples.length;
    return this.#take(samples);
  }

  /** The last samples. */
  finish() {
    if (this.isSame) return new Float32Array(0);
    const total = Math.round((this.numIn * this.outStep) / this.inStep);
    const room = 2 * this.hop + 2 * this.edge;
    const rest = this.#take(new Float32Array(room + this.hop));
    const missing = total - (this.numOut - rest.length);
    return rest.subarray(0, Math.max(0, missing));
  }

  #take(samples) {
    const held = new Float32Array(this.held.length + samples.length);
    held.set(this.held);
    held.set(samples, this.held.length);
    const pairSize = this.hop + this.inSize;
    const pairs = Math.max(0, Math.floor((held.length - pairSize) / (2 * this.hop)) + 1);
    const kept = this.outSize - 2 * this.outEdge;
    const out = new Float32Array(2 * kept * pairs);
    for (let pair = 0; pair < pairs; pair++) {
      const at = 2 * this.hop * pair;
      this.inRe.set(held.subarray(at, at + this.inSize));
      this.inIm.set(held.subarray(at + this.hop, at + this.hop + this.inSize));
      this.#transform();
      const end = this.outSize - this.outEdge;
      out.set(this.outRe.subarray(this.outEdge, end), 2 * kept * pair);
      out.set(this.outIm.subarray(this.outEdge, end), 2 * kept * pair + kept);
    }
    this.held = held.slice(2 * this.hop * pairs);
    this.numOut += out.length;
    return out;
  }

  #transform() {
    const { inRe, inIm, outRe, outIm, response, inSize, outSize } = this;
    this.inFft.forward(inRe, inIm);
    outRe.fill(0);
    outIm.fill(0);
    const half = Math.floor((Math.min(inSize, outSize) - 1) / 2);
    for (let k = 0; k <= half; k++) {
      outRe[k] = inRe[k] * response[k];
      outIm[k] = inIm[k] * response[k];
      if (k) {
        outRe[outSize - k] = inRe[inSize - k] * response[k];
        outIm[outSize - k] = inIm[inSize - k] * response[k];
      }
    }
    this.outFft.forward(outIm, outRe);
  }
}
