// The picture of sound, from dark to loud over time, and the axis of time.

import { clock, isDark } from "./elements.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const RANGE_BYTES = 140;

/** Colours of the spectrogram from quiet to loud, for a light or a dark page. */
function ramp(dark) {
  const stops = dark
    ? [[24, 27, 37], [58, 47, 122], [150, 60, 140], [240, 120, 90], [255, 235, 170]]
    : [[255, 255, 255], [198, 205, 240], [120, 124, 214], [78, 50, 150], [30, 12, 60]];
  return Array.from({ length: 256 }, (_, level) => {
    const at = (level / 256) * (stops.length - 1);
    const [low, high] = [stops[Math.floor(at)], stops[Math.floor(at) + 1]];
    return low.map((one, k) => Math.round(one + (high[k] - one) * (at % 1)));
  });
}

/**
 * Draws the part `view`, with `start` and `length` in seconds, of a picture: `values` has a byte for
 * each of its `bands` in a frame, frames one after another, of which `length` bytes
 * are in use. `loudest` is the byte that is shown darkest, by default nearly the loudest one.
 */
export function drawSpectrogram(context, picture, view, { top, height, width, scale }) {
  const { values, bands, framesPerSecond } = picture;
  const numFrames = picture.length / bands;
  const columns = Math.max(1, Math.round(width * scale));
  const image = new ImageData(columns, bands);
  const colors = ramp(isDark());
  const perColumn = (view.length * framesPerSecond) / columns;
  const first = view.start * framesPerSecond;
  const loudest = picture.loudest ?? loudestByte(picture);
  for (let column = 0; column < columns; column++) {
    const from = Math.floor(first + column * perColumn);
    if (from >= numFrames) break;
    const to = Math.min(numFrames, Math.max(from + 1, Math.floor(first + (column + 1) * perColumn)));
    const step = Math.max(1, Math.floor((to - from) / 12));
    for (let band = 0; band < bands; band++) {
      let level = 0;
      for (let frame = from; frame < to; frame += step) {
        level = Math.max(level, values[frame * bands + band]);
      }
      const shade = 255 + ((level - loudest) * 255) / RANGE_BYTES;
      const [red, green, blue] = colors[Math.max(0, Math.min(255, Math.round(shade)))];
      const at = 4 * ((bands - 1 - band) * columns + column);
      image.data.set([red, green, blue, 255], at);
    }
  }
  const small = new OffscreenCanvas(columns, bands);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, top, width, height);
}

/** The level that is shown darkest: nearly the loudest so far. */
function loudestByte({ values, length }) {
  const step = Math.max(1, Math.floor(length / 20000)) | 1;
  let loudest = 120;
  for (let at = 0; at < length; at += step) if (values[at] > loudest) loudest = values[at];
  return loudest;
}

export function drawAxis(context, x, view, { top, width, ink }) {
  const step = STEPS.find((one) => (one / view.length) * width > 64) ?? STEPS.at(-1);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = ink;
  context.textBaseline = "middle";
  for (let k = Math.ceil(view.start / step); k * step <= view.start + view.length; k++) {
    const at = x(k * step);
    const label = step < 1 ? (k * step).toFixed(1) : clock(k * step);
    const wide = context.measureText(label).width;
    context.globalAlpha = 0.35;
    context.fillRect(at, top, 1, 5);
    context.globalAlpha = 0.8;
    context.fillText(label, Math.min(width - wide - 2, Math.max(2, at - wide / 2)), top + 12);
  }
  context.globalAlpha = 1;
}
