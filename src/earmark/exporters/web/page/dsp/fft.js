// Discrete Fourier transforms of any size, in double precision.

const LARGEST_RADIX = 31;

/** The prime factors of a number, fours first: a step of four costs less than two of two. */
export function factorize(size) {
  const factors = [];
  let rest = size;
  for (const radix of [4, 2, 3, 5]) {
    while (rest % radix === 0) {
      factors.push(radix);
      rest /= radix;
    }
  }
  for (let radix = 7; rest > 1; radix += 2) {
    if (radix * radix > rest) radix = rest;
    while (rest % radix === 0) {
      factors.push(radix);
      rest /= radix;
    }
  }
  return factors;
}

/** A complex transform of one size. Not for two callers at once: it has its own memory. */
export class Fft {
  constructor(size) {
    this.size = size;
    this.factors = factorize(size);
    if (Math.max(1, ...this.factors) > LARGEST_RADIX) {
      this.chirp = new Chirp(size);
      return;
    }
    this.cos = Float64Array.from({ length: size }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sin = Float64Array.from({ length: size }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.odd = new Map(this.factors.filter((one) => one % 2).map((one) => [one, oddTables(one)]));
    this.otherRe = new Float64Array(size);
    this.otherIm = new Float64Array(size);
  }

  /** Transforms in place; swap the two arguments for the inverse, which is then `size` too large. */
  forward(re, im) {
    if (this.chirp) {
      this.chirp.forward(re, im);
      return;
    }
    // Stockham's autosort algorithm: each step writes to the other memory, in order.
    let from = [re, im];
    let to = [this.otherRe, this.otherIm];
    let length = this.size;
    let stride = 1;
    for (const radix of this.factors) {
      if (radix === 4) this.#step4(from, to, length, stride);
      else if (radix === 2) this.#step2(from, to, length, stride);
      else this.#stepOdd(radix, from, to, length, stride);
      length /= radix;
      stride *= radix;
      [from, to] = [to, from];
    }
    if (from[0] !== re) {
      re.set(from[0]);
      im.set(from[1]);
    }
  }

  #step2([xr, xi], [yr, yi], length, stride) {
    const half = length / 2;
    for (let p = 0; p < half; p++) {
      const wr = this.cos[p * stride];
      const wi = this.sin[p * stride];
      for (let q = 0; q < stride; q++) {
        const a = q + stride * p;
        const b = a + stride * half;
        const to = q + stride * 2 * p;
        const dr = xr[a] - xr[b];
        const di = xi[a] - xi[b];
        yr[to] = xr[a] + xr[b];
        yi[to] = xi[a] + xi[b];
        yr[to + stride] = dr * wr - di * wi;
        yi[to + stride] = dr * wi + di * wr;
      }
    }
  }

  #step4([xr, xi], [yr, yi], length, stride) {
    const { cos, sin } = this;
    const quarter = length / 4;
    const jump = stride * quarter;
    for (let p = 0; p < quarter; p++) {
      const at = p * stride;
      const w1r = cos[at], w1i = sin[at];
      const w2r = cos[2 * at], w2i = sin[2 * at];
      const w3r = cos[3 * at], w3i = sin[3 * at];
      for (let q = 0; q < stride; q++) {
        const a = q + at, b = a + jump, c = b + jump, d = c + jump;
        const sumR = xr[a] + xr[c], sumI = xi[a] + xi[c];
        const difR = xr[a] - xr[c], difI = xi[a] - xi[c];
        const oddR = xr[b] + xr[d], oddI = xi[b] + xi[d];
        // The difference times -i.
        const rotR = xi[b] - xi[d], rotI = xr[d] - xr[b];
        const to = q + 4 * at;
        yr[to] = sumR + oddR;
        yi[to] = sumI + oddI;
        const r1 = difR + rotR, i1 = difI + rotI;
        yr[to + stride] = r1 * w1r - i1 * w1i;
        yi[to + stride] = r1 * w1i + i1 * w1r;
        const r2 = sumR - oddR, i2 = sumI - oddI;
        yr[to + 2 * stride] = r2 * w2r - i2 * w2i;
        yi[to + 2 * stride] = r2 * w2i + i2 * w2r;
        const r3 = difR - rotR, i3 = difI - rotI;
        yr[to + 3 * stride] = r3 * w3r - i3 * w3i;
        yi[to + 3 * stride] = r3 * w3i + i3 * w3r;
      }
    }
  }

  /** Any odd radix; terms that mirror each other share their products. */
  #stepOdd(radix, [xr, xi], [yr, yi], length, stride) {
    const { cos, sin } = this;
    const half = (radix - 1) / 2;
    const jump = (stride * length) / radix;
    const { sumR, sumI, difR, difI, rootC, rootS } = this.odd.get(radix);
    for (let p = 0; p < length / radix; p++) {
      for (let q = 0; q < stride; q++) {
        const at = q + stride * p;
        const to = q + stride * radix * p;
        let totalR = xr[at], totalI = xi[at];
        for (let k = 1; k <= half; k++) {
          const a = at + k * jump, b = at + (radix - k) * jump;
          totalR += sumR[k] = xr[a] + xr[b];
          totalI += sumI[k] = xi[a] + xi[b];
          difR[k] = xr[a] - xr[b];
          difI[k] = xi[a] - xi[b];
        }
        yr[to] = totalR;
        yi[to] = totalI;
        for (let j = 1; j <= half; j++) {
          let evenR = xr[at], evenI = xi[at], oddR = 0, oddI = 0;
          for (let k = 1, root = j * radix + 1; k <= half; k++, root++) {
            evenR += sumR[k] * rootC[root];
            evenI += sumI[k] * rootC[root];
            oddR += difI[k] * rootS[root];
            oddI -= difR[k] * rootS[root];
          }
          const first = p * j * stride, last = p * (radix - j) * stride;
          const r1 = evenR + oddR, i1 = evenI + oddI;
          yr[to + j * stride] = r1 * cos[first] - i1 * sin[first];
          yi[to + j * stride] = r1 * sin[first] + i1 * cos[first];
          const r2 = evenR - oddR, i2 = evenI - oddI;
          yr[to + (radix - j) * stride] = r2 * cos[last] - i2 * sin[last];
          yi[to + (radix - j) * stride] = r2 * sin[last] + i2 * cos[last];
        }
      }
    }
  }
}

/** Memory for a step of an odd radix, and its roots of unity: row j, column k. */
function oddTables(radix) {
  const angles = Array.from({ length: radix * radix }, (_, at) => {
    const turn = (Math.floor(at / radix) * (at % radix)) % radix;
    return (2 * Math.PI * turn) / radix;
  });
  const memory = () => new Float64Array(radix);
  return {
    ...{ sumR: memory(), sumI: memory(), difR: memory(), difI: memory() },
    rootC: Float64Array.from(angles, Math.cos),
    rootS: Float64Array.from(angles, Math.sin),
  };
}

/** Bluestein's transform, for sizes with large prime factors: a convolution with a chirp. */
class Chirp {
  constructor(size) {
    this.size = size;
    const padded = 2 ** Math.ceil(Math.log2(2 * size - 1));
    this.fft = new Fft(padded);
    // The square is taken modulo 2 size, where the angle repeats, before it is too large.
    const angle = (k) => (Math.PI * ((k * k) % (2 * size))) / size;
    this.cos = Float64Array.from({ length: size }, (_, k) => Math.cos(angle(k)));
    this.sin = Float64Array.from({ length: size }, (_, k) => Math.sin(angle(k)));
    this.filterRe = new Float64Array(padded);
    this.filterIm = new Float64Array(padded);
    for (let k = 0; k < size; k++) {
      for (const at of [k, (padded - k) % padded]) {
        this.filterRe[at] = this.cos[k] / padded;
        this.filterIm[at] = this.sin[k] / padded;
      }
    }
    this.fft.forward(this.filterRe, this.filterIm);
    this.re = new Float64Array(padded);
    this.im = new Float64Array(padded);
  }

  forward(xr, xi) {
    const { re, im, cos, sin, filterRe, filterIm } = this;
    re.fill(0);
    im.fill(0);
    for (let k = 0; k < this.size; k++) {
      re[k] = xr[k] * cos[k] + xi[k] * sin[k];
      im[k] = xi[k] * cos[k] - xr[k] * sin[k];
    }
    this.fft.forward(re, im);
    for (let k = 0; k < re.length; k++) {
      const real = re[k] * filterRe[k] - im[k] * filterIm[k];
      im[k] = re[k] * filterIm[k] + im[k] * filterRe[k];
      re[k] = real;
    }
    this.fft.forward(im, re);
    for (let k = 0; k < this.size; k++) {
      xr[k] = re[k] * cos[k] + im[k] * sin[k];
      xi[k] = im[k] * cos[k] - re[k] * sin[k];
    }
  }
}
