// The picture of a recording: segments, spectrogram, probabilities and the axis of time.

import { drawAxis, drawSpectrogram } from "../shared/spectrogram.js";
import { colorOf } from "./text.js";

const LANE = 22;
const AXIS = 20;
const GAP = 6;
const MAX_LINES = 8;

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
  const { picture: { values, length }, framesPerSecond, model } = track;
  const picture = { values, length, framesPerSecond, bands: model.features.n_mels };
  drawSpectrogram(context, picture, view, { ...parts.picture, width, scale });
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
