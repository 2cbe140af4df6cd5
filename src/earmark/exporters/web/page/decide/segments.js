// From the probabilities of overlapping windows to labelled segments of a recording.
// As earmark.inference.segmentation.segments.

import { roundHalfEven } from "../dsp/windows.js";
import { BINARY, MULTI_LABEL } from "./rule.js";
import { moveBoundaries, runs, smooth } from "./smoothing.js";

const SMALLEST = 1e-6;
const IMPOSSIBLE = -1e6;
const ABSTAINED = -1;

const clip = (value, low, high) => Math.min(high, Math.max(low, value));

/** Scores of the states of each lane: `lanes[lane][cell][state]`; a row of null is abstention. */
export function laneScores(model, rows) {
  const limits = model.lane_thresholds.map((one) => clip(one, SMALLEST, 1 - SMALLEST));
  if (model.task === MULTI_LABEL) {
    return limits.map((limit, label) =>
      rows.map((row) => {
        const value = clip(row ? row[label] : 0, SMALLEST, 1 - SMALLEST);
        return [Math.log(value / limit), Math.log((1 - value) / (1 - limit))];
      }),
    );
  }
  const priors = model.task === BINARY ? [1 - limits[0], limits[0]] : model.labels.map(() => 1);
  return [
    rows.map((row) =>
      row
        ? [...priors.map((one, k) => Math.log(clip(row[k], SMALLEST, 1 - SMALLEST) / one)), IMPOSSIBLE]
        : [...priors.map(() => ABSTAINED), 0],
    ),
  ];
}

/** The best state of each lane, as one text that can be compared. */
export function chosenStates(model, row) {
  const best = (scores) => scores.indexOf(Math.max(...scores));
  return laneScores(model, [row]).map((lane) => best(lane[0])).join();
}

/** Where cells begin and end, in seconds: one edge more than there are windows. */
function cellEdges(windows, duration) {
  const middles = windows.map((one) => (one.start + one.end) / 2);
  const between = middles.slice(1).map((one, k) => clip((one + middles[k]) / 2, 0, duration));
  return [0, ...between, duration];
}

function typicalStep(windows, duration) {
  if (windows.length < 2) return duration;
  const steps = windows.slice(1).map((one, k) => one.start - windows[k].start).sort((a, b) => a - b);
  const half = steps.length >> 1;
  return steps.length % 2 ? steps[half] : (steps[half - 1] + steps[half]) / 2;
}

function laneStates(model, windows, duration) {
  const step = typicalStep(windows, duration);
  const numCells = Math.max(1, roundHalfEven(model.min_segment_seconds / step));
  const lanes = laneScores(model, windows.map((one) => one.row));
  const states = lanes.map((scores) => smooth(scores, model.smoothing, numCells));
  if (!model.moves_boundaries) return states;
  const reach = roundHalfEven((windows[0].end - windows[0].start) / 2 / step);
  const shortest = model.smoothing === "viterbi" ? numCells : 1;
  const middles = laneScores(model, windows.map((one) => one.middle));
  return states.map((one, lane) => moveBoundaries(one, middles[lane], reach, shortest));
}

/**
 * Labelled segments, by their start.
 *
 * Each window has `start` and `end` in seconds, the `row` of its probabilities or null where the
 * model abstains, and `middle`, the same for its middle alone.
 */
export function findSegments(model, windows, duration) {
  const edges = cellEdges(windows, duration);
  const isSeveral = model.task === MULTI_LABEL;
  const found = [];
  laneStates(model, windows, duration).forEach((states, lane) => {
    for (const [first, last, state] of runs(states)) {
      const index = isSeveral ? lane : state;
      if ((isSeveral && state === 1) || index === model.labels.length) continue;
      let [weight, sum] = [0, 0];
      for (let cell = first; cell < last; cell++) {
        const { row } = windows[cell];
        if (!row) continue;
        weight += edges[cell + 1] - edges[cell];
        sum += row[index] * (edges[cell + 1] - edges[cell]);
      }
      if (weight <= 0 || index === model.background) continue;
      const [start, end] = [edges[first], edges[last]].map((one) => Number(one.toFixed(3)));
      found.push({ start, end, label: model.labels[index], probability: sum / weight });
    }
  });
  const order = (a, b) => a.start - b.start || a.end - b.end || (a.label < b.label ? -1 : 1);
  return found.sort(order);
}
