// The picture of a recording: segments, spectrogram, probabilities and the axis of time.

import { clock, colorOf, isDark } from "./text.js";

const LANE = 22;
const AXIS = 20;
const GAP = 6;
const MAX_LINES = 8;
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

/** Draws a part of a track, `view` with `start` and `length` in seconds, on a canvas. */
export function draw(canvas, track, view) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const ink = style.getPropertyValue("--ink");
  const parts = layOut(track, height);
  const x = (seconds) => ((seconds - view.start) / view.length) * width;
  drawPicture(context, track, view, { ...parts.picture, width, scale });
  drawSegments(context, track, x, parts.lanes, style.getPropertyValue("--card"));
  drawLines(context, track, x, { ...parts.lines, width }, style.getPropertyValue("--line"));
  drawAxis(context, x, view, { top: height - AXIS, width, ink });
}

function lanesOf(track) {
  const isSeveral = track.model.task === "multi_label";
  return isSeveral ? Math.min(track.model.labels.length, 4) : 1;
}

function layOut(track, height) {
  const lanes = lanesOf(track) * LANE;
  const rest = height - lanes - AXIS - 2 * GAP;
  const picture = { top: lanes + GAP, height: Math.round(rest * 0.58) };
  const top = picture.top + picture.height + GAP;
  return { lanes: { top: 0 }, picture, lines: { top, height: height - AXIS - top } };
}

function drawPicture(context, track, view, { top, height, width, scale }) {
  const mels = track.model.features.n_mels;
  const columns = Math.max(1, Math.round(width * scale));
  const image = new ImageData(columns, mels);
  const colors = ramp(isDark());
  const { values } = track.picture;
  const { numFrames } = track;
  const perColumn = (view.length * track.framesPerSecond) / columns;
  const first = view.start * track.framesPerSecond;
  const loudest = loudestByte(track);
  for (let column = 0; column < columns; column++) {
    const from = Math.floor(first + column * perColumn);
    if (from >= numFrames) break;
    const to = Math.min(numFrames, Math.max(from + 1, Math.floor(first + (column + 1) * perColumn)));
    const step = Math.max(1, Math.floor((to - from) / 12));
    for (let band = 0; band < mels; band++) {
      let level = 0;
      for (let frame = from; frame < to; frame += step) {
        level = Math.max(level, values[frame * mels + band]);
      }
      const shade = 255 + ((level - loudest) * 255) / RANGE_BYTES;
      const [red, green, blue] = colors[Math.max(0, Math.min(255, Math.round(shade)))];
      const at = 4 * ((mels - 1 - band) * columns + column);
      image.data.set([red, green, blue, 255], at);
    }
  }
  const small = new OffscreenCanvas(columns, mels);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, top, width, height);
}

/** The level that is shown darkest: nearly the loudest so far. */
function loudestByte(track) {
  const { values, length } = track.picture;
  const step = Math.max(1, Math.floor(length / 20000)) | 1;
  let loudest = 120;
  for (let at = 0; at < length; at += step) if (values[at] > loudest) loudest = values[at];
  return loudest;
}

function drawSegments(context, track, x, { top }, card) {
  const { labels, task } = track.model;
  const isSeveral = task === "multi_label";
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const one of track.result?.segments ?? []) {
    const index = labels.indexOf(one.label);
    const y = top + (isSeveral ? (index % 4) * LANE : 0) + 2;
    const [left, right] = [x(one.start), x(one.end)];
    if (right < 0 || left > context.canvas.clientWidth) continue;
    const wide = Math.max(1.5, right - left - 1);
    context.fillStyle = colorOf(index);
    context.beginPath();
    context.roundRect(left, y, wide, LANE - 4, 4);
    context.fill();
    const from = Math.max(left, 0) + 7;
    if (right - from < context.measureText(one.label).width + 8) continue;
    context.fillStyle = card;
    context.fillText(one.label, from, y + (LANE - 4) / 2 + 1);
  }
}

/** The labels whose probabilities have a line: all, or those that matter most. */
export function lineLabels(track) {
  const count = track.model.labels.length;
  const all = Array.from({ length: count }, (_, index) => index);
  if (count <= MAX_LINES) return all;
  const totals = new Float64Array(count);
  for (const { row } of track.windows) row?.forEach((value, index) => (totals[index] += value));
  return all.sort((a, b) => totals[b] - totals[a]).slice(0, MAX_LINES);
}

function drawLines(context, track, x, { top, height, width }, line) {
  const y = (value) => top + 2 + (1 - value) * (height - 4);
  context.strokeStyle = line;
  context.lineWidth = 1;
  for (const value of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(0, y(value));
    context.lineTo(width, y(value));
    context.stroke();
  }
  context.lineWidth = 1.8;
  context.lineJoin = "round";
  for (const index of lineLabels(track)) {
    context.strokeStyle = colorOf(index);
    context.beginPath();
    traceLine(context, track.windows, index, x, y, width);
    context.stroke();
  }
}

function traceLine(context, windows, index, x, y, width) {
  let isDown = false;
  let last = -1;
  for (const { start, end, row } of windows) {
    const at = x((start + end) / 2);
    if (at < -50 || at > width + 50) continue;
    if (!row) {
      isDown = false;
      continue;
    }
    // Several windows on one half of a pixel are one point.
    if (isDown && at - last < 0.5) continue;
    if (isDown) context.lineTo(at, y(row[index]));
    else context.moveTo(at, y(row[index]));
    isDown = true;
    last = at;
  }
}

function drawAxis(context, x, view, { top, width, ink }) {
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
