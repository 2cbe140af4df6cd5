// Logistic regression on embeddings, its test by held-out files, and its temperature.

import { probabilities } from "../decide/rule.js";

const DECAY = 1e-2;
const STEPS = 200;
const MEMORY = 8;
const MAX_FOLDS = 5;
const HIGHEST_TEMPERATURE = 1000;

const dot = (a, b) => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
};

/** Mean and deviation of each channel over all rows. */
function scaleOf(examples, width) {
  const [mean, square] = [new Float64Array(width), new Float64Array(width)];
  let count = 0;
  for (const { rows } of examples) {
    for (const row of rows) {
      count++;
      for (let k = 0; k < width; k++) {
        mean[k] += row[k];
        square[k] += row[k] ** 2;
      }
    }
  }
  const deviation = new Float64Array(width);
  for (let k = 0; k < width; k++) {
    mean[k] /= count;
    deviation[k] = Math.sqrt(Math.max(square[k] / count - mean[k] ** 2, 0)) || 1;
  }
  return { mean, deviation };
}

/** Rows on one scale with their labels and weights: labels weigh the same, and files of a label. */
function flatten(examples, numLabels, { mean, deviation }) {
  const counts = new Array(numLabels).fill(0);
  for (const one of examples) counts[one.label]++;
  return examples.flatMap(({ rows, label }) =>
    rows.map((row) => ({
      x: Float64Array.from(row, (value, k) => (value - mean[k]) / deviation[k]),
      label,
      weight: 1 / (rows.length * counts[label] * numLabels),
    })),
  );
}

/** The loss and its gradient: cross-entropy with a decay of the weights, but not of the biases. */
function loss(data, numLabels, width, theta, gradient) {
  const size = width + 1;
  gradient.fill(0);
  let total = 0;
  for (const { x, label, weight } of data) {
    const logits = Array.from({ length: numLabels }, (_, k) => {
      const at = k * size;
      let sum = theta[at + width];
      for (let c = 0; c < width; c++) sum += theta[at + c] * x[c];
      return sum;
    });
    const values = probabilities("multi_class", logits);
    total -= weight * Math.log(Math.max(values[label], 1e-300));
    for (let k = 0; k < numLabels; k++) {
      const slope = weight * (values[k] - Number(k === label));
      const at = k * size;
      for (let c = 0; c < width; c++) gradient[at + c] += slope * x[c];
      gradient[at + width] += slope;
    }
  }
  for (let at = 0; at < theta.length; at++) {
    if (at % size === width) continue;
    total += (DECAY / 2) * theta[at] ** 2;
    gradient[at] += DECAY * theta[at];
  }
  return total;
}

/** The direction of a step of L-BFGS (Nocedal and Wright 2006, algorithm 7.4). */
function direction(gradient, pairs) {
  const step = Float64Array.from(gradient);
  const factors = [];
  for (const { s, y, rho } of [...pairs].reverse()) {
    const factor = rho * dot(s, step);
    factors.unshift(factor);
    for (let k = 0; k < step.length; k++) step[k] -= factor * y[k];
  }
  const last = pairs.at(-1);
  const scale = last ? 1 / (last.rho * dot(last.y, last.y)) : 1;
  for (let k = 0; k < step.length; k++) step[k] *= scale;
  pairs.forEach(({ s, y, rho }, index) => {
    const factor = factors[index] - rho * dot(y, step);
    for (let k = 0; k < step.length; k++) step[k] += factor * s[k];
  });
  return step;
}

/** The parameters of the least loss, which is convex. */
function minimize(data, numLabels, width) {
  let theta = new Float64Array(numLabels * (width + 1));
  let gradient = new Float64Array(theta.length);
  let value = loss(data, numLabels, width, theta, gradient);
  const pairs = [];
  for (let step = 0; step < STEPS && Math.sqrt(dot(gradient, gradient)) > 1e-6; step++) {
    const along = direction(gradient, pairs);
    const slope = dot(gradient, along);
    let [length, next, nextGradient, nextValue] = [1, null, new Float64Array(theta.length), 0];
    for (; length > 1e-10; length /= 2) {
      next = theta.map((one, k) => one - length * along[k]);
      nextValue = loss(data, numLabels, width, next, nextGradient);
      if (nextValue <= value - 1e-4 * length * slope) break;
    }
    const s = next.map((one, k) => one - theta[k]);
    const y = nextGradient.map((one, k) => one - gradient[k]);
    const curvature = dot(s, y);
    if (!(curvature > 1e-16)) break;
    pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > MEMORY) pairs.shift();
    [theta, gradient, value] = [next, nextGradient, nextValue];
  }
  return theta;
}

/** Fits a layer to examples, each with `rows` of embeddings and the index of its `label`. */
export function fit(examples, numLabels) {
  const width = examples[0].rows[0].length;
  const scale = scaleOf(examples, width);
  const theta = minimize(flatten(examples, numLabels, scale), numLabels, width);
  const layer = { weights: [], bias: [] };
  for (let k = 0; k < numLabels; k++) {
    const own = theta.subarray(k * (width + 1), (k + 1) * (width + 1));
    const weights = Array.from({ length: width }, (_, c) => own[c] / scale.deviation[c]);
    layer.weights.push(weights);
    layer.bias.push(own[width] - dot(weights, scale.mean));
  }
  // With two labels the only logit is that of the second.
  if (numLabels > 2) return layer;
  const weights = layer.weights[1].map((one, c) => one - layer.weights[0][c]);
  return { weights: [weights], bias: [layer.bias[1] - layer.bias[0]] };
}

/** The logits of a file: the mean of those of its windows. */
export function clipLogits({ weights, bias }, rows) {
  return weights.map((row, k) => {
    const sum = rows.reduce((total, one) => total + dot(row, one), 0);
    return sum / rows.length + bias[k];
  });
}

/** The logits of each file by a layer that was fitted without it; null with too few files. */
export function heldOutLogits(examples, numLabels) {
  const counts = new Array(numLabels).fill(0);
  const fold = examples.map(({ label }) => counts[label]++);
  const folds = Math.min(MAX_FOLDS, ...counts);
  if (folds < 2) return null;
  const logits = new Array(examples.length);
  for (let number = 0; number < folds; number++) {
    const isOut = (_, index) => fold[index] % folds === number;
    const layer = fit(examples.filter((one, index) => !isOut(one, index)), numLabels);
    examples.forEach((one, index) => {
      if (isOut(one, index)) logits[index] = clipLogits(layer, one.rows);
    });
  }
  return logits;
}

/** The temperature that calibrates logits, 1 or more; as earmark.tasks.temperature. */
export function fitTemperature(task, logits, labels) {
  const slope = (temperature) => {
    let sum = 1 - temperature;
    logits.forEach((row, index) => {
      const values = probabilities(task, row.map((one) => one / temperature));
      const own = task === "binary" ? [values[1]] : values;
      own.forEach((value, k) => {
        const label = task === "binary" ? labels[index] : Number(labels[index] === k);
        sum += row[k] * (value - label);
      });
    });
    return sum;
  };
  if (slope(1) <= 0) return 1;
  if (slope(HIGHEST_TEMPERATURE) >= 0) return HIGHEST_TEMPERATURE;
  let [low, high] = [1 / HIGHEST_TEMPERATURE, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (slope(1 / middle) > 0) high = middle;
    else low = middle;
  }
  return 1 / high;
}
