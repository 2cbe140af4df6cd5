// A new last layer from examples, its test on held-out files, and the model with it.

import { choose, probabilities } from "../decide/rule.js";
import { readMetadata, withLastLayer } from "./graph.js";
import { clipLogits, fit, fitTemperature, heldOutLogits } from "./softmax.js";

/** Fits a layer to the examples, tests it on files that it has not seen, and makes the model. */
export function train(state, { labels, examples, name }) {
  const task = labels.length === 2 ? "binary" : "multi_class";
  const truths = examples.map((one) => one.label);
  const heldOut = heldOutLogits(examples, labels.length);
  const temperature = heldOut ? fitTemperature(task, heldOut, truths) : 1;
  const layer = fit(examples, labels.length);
  const thresholds = task === "binary" ? [0.5] : [];
  const decided = (logits) => {
    const values = probabilities(task, logits.map((one) => one / temperature));
    return choose(task, values, thresholds).indexOf(true);
  };
  const confusion = labels.map(() => labels.map(() => 0));
  heldOut?.forEach((logits, index) => confusion[truths[index]][decided(logits)]++);
  const fitted = examples.filter((one) => decided(clipLogits(layer, one.rows)) === one.label);
  const facts = { labels, task, thresholds, temperature };
  const background = findBackground(state.graph, labels);
  const content = withLastLayer(state.graph, { ...layer, ...describe(state.graph, facts, layer) });
  return {
    content,
    model: pageModel(state.model, { ...facts, name, background }),
    confusion: heldOut ? confusion : null,
    numFitted: fitted.length,
  };
}

/** The index of the label that the model learns and never predicts; null without one. */
function findBackground(graph, labels) {
  const { config } = JSON.parse(readMetadata(graph).earmark);
  const index = labels.indexOf(config.train?.background_label);
  return index < 0 ? null : index;
}

/** The metadata of the new model, and a sentence for those who open it. */
function describe(graph, facts, layer) {
  const metadata = readMetadata(graph);
  const spec = JSON.parse(metadata.earmark);
  const { silence_label: _, known_scores: __, ...kept } = spec;
  const json = JSON.stringify;
  return {
    doc: `Audio classifier by earmark, taught in a browser: ${facts.labels.join(", ")}.`,
    metadata: {
      ...metadata,
      earmark: json({ ...kept, ...facts, progress: {} }),
      task: facts.task,
      labels: json(facts.labels),
      thresholds: json(facts.thresholds),
      temperature: json(facts.temperature),
      max_novelty: "null",
      silence_label: "null",
      background_label: json(facts.labels[findBackground(graph, facts.labels)] ?? null),
      weights_digest: `${metadata.weights_digest ?? "unknown"}-taught-${digest(layer)}`,
    },
  };
}

/** A short mark of the new weights, so that two models are not taken for one (FNV-1a). */
function digest(layer) {
  const bytes = new Uint8Array(Float32Array.from([...layer.weights.flat(), ...layer.bias]).buffer);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

/** What the page needs to know of the new model. */
function pageModel(model, facts) {
  return {
    ...model,
    ...facts,
    lane_thresholds: facts.thresholds,
    ...{ silence_label: null, max_novelty: null, window_max_novelty: null },
  };
}
