// From logits to probabilities to labels, as earmark.tasks has it.

export const BINARY = "binary";
export const MULTI_CLASS = "multi_class";
export const MULTI_LABEL = "multi_label";

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((one) => Math.exp(one - largest));
  const sum = powers.reduce((total, one) => total + one, 0);
  return powers.map((one) => one / sum);
}

/** The probability of each label. */
export function probabilities(task, logits) {
  if (task === MULTI_CLASS) return softmax(logits);
  if (task === MULTI_LABEL) return logits.map(sigmoid);
  const second = sigmoid(logits[0]);
  return [1 - second, second];
}

/** Which labels are chosen without abstention. */
export function choose(task, values, thresholds) {
  if (task === MULTI_LABEL) return values.map((value, index) => value >= thresholds[index]);
  if (task === BINARY) return [values[1] < thresholds[0], values[1] >= thresholds[0]];
  const best = values.indexOf(Math.max(...values));
  return values.map((_, index) => index === best);
}

/** The confidence of a window in each output, by which the windows of a clip are compared. */
function confidence(task, logits) {
  if (task === MULTI_LABEL) return logits;
  if (task === BINARY) return logits.map(Math.abs);
  const largest = Math.max(...logits);
  const sum = logits.reduce((total, one) => total + Math.exp(one - largest), 0);
  const best = -Math.log(sum);
  const others = Math.log(-Math.expm1(Math.min(best, -1e-12)));
  return logits.map(() => best - others);
}

/** The logits of a clip from those of its windows, by the model's pooling. */
export function pool(model, rows) {
  const weights = poolingWeights(model, rows);
  return rows[0].map((_, output) => {
    let sum = 0;
    let total = 0;
    rows.forEach((row, index) => {
      const weight = weights ? weights[index][output] : 1;
      sum += weight * row[output];
      total += weight;
    });
    return sum / total;
  });
}

function poolingWeights(model, rows) {
  if (model.pooling === "mean") return null;
  const confidences = rows.map((row) => confidence(model.task, row));
  const largest = [...confidences[0]];
  for (const row of confidences) {
    row.forEach((value, output) => (largest[output] = Math.max(largest[output], value)));
  }
  const weigh = model.pooling === "max" ? (below) => Number(below === 0) : Math.exp;
  return confidences.map((row) => row.map((value, output) => weigh(value - largest[output])));
}

/**
 * The decision on one clip or window: probabilities, chosen labels, and why there is none.
 *
 * `levelDb` is that of the loudest frame; `novelty` is null for a model without a score, and
 * `maxNovelty` null where nothing counts as unlike training.
 */
export function decide(model, logits, levelDb, novelty, maxNovelty) {
  let values = probabilities(model.task, logits.map((one) => one / model.temperature));
  let isSilent = levelDb < model.silence_db;
  const isUnlike = novelty !== null && maxNovelty !== null && novelty > maxNovelty && !isSilent;
  if (isSilent && model.silence_label !== null) {
    values = values.map((_, index) => Number(index === model.silence_label));
    isSilent = false;
  }
  const chosen = choose(model.task, values, model.thresholds);
  const kept = chosen.map((is, index) => is && values[index] >= model.min_probability);
  let reason = null;
  if (model.background !== null && kept[model.background]) reason = "background";
  if (chosen.some(Boolean) && !kept.some(Boolean)) reason = "unsure";
  if (isUnlike) reason = "unlike_training";
  if (isSilent) reason = "silence";
  if (isSilent || isUnlike) kept.fill(false);
  if (model.background !== null) kept[model.background] = false;
  return { probabilities: values, chosen: kept, abstained: reason };
}
