// The worker's part of teaching: embeddings of examples, a new last layer, a new model.

import { FrameStream } from "../decide/recording.js";
import { Network } from "../decide/network.js";
import { choose, probabilities } from "../decide/rule.js";
import { openSound } from "../decode/open.js";
import { WindowCutter } from "../dsp/windows.js";
import { embeddingGraph, readMetadata, withLastLayer } from "./graph.js";
import { clipLogits, fit, fitTemperature, heldOutLogits } from "./softmax.js";

const BATCH = 32;

/** Embeddings of the windows of a sound, without those that are silent. */
async function embed(state, id, blob, decodeWhole) {
  state.embedder ??= await Network.open(embeddingGraph(state.graph), state.model);
  const { model } = state;
  const sound = await openSound(blob, (one) => decodeWhole(id, one));
  const stream = new FrameStream(model.features, sound.rate);
  const cutter = new WindowCutter(model.features.n_mels, model.window_frames, model.step_frames);
  const rows = [];
  let pending = [];
  const run = async (least) => {
    while (pending.length >= Math.max(1, least)) {
      const windows = pending.splice(0, BATCH);
      for (const one of await state.embedder.embed(windows)) rows.push(Float32Array.from(one));
    }
  };
  const isHeard = (window) => Math.max(...window.levels) >= model.silence_db;
  for await (const block of sound.blocks()) {
    pending.push(...cutter.add(stream.add(block)).filter(isHeard));
    await run(BATCH);
  }
  pending.push(...cutter.add(stream.finish()).filter(isHeard));
  pending.push(...cutter.finish().filter(isHeard));
  await run(1);
  if (!rows.length) throw new Error("only silence in it");
  return { rows, seconds: stream.seconds };
}

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
  const content = withLastLayer(state.graph, { ...layer, ...describe(state.graph, facts, layer) });
  return {
    content,
    model: pageModel(state.model, { ...facts, name }),
    confusion: heldOut ? confusion : null,
    numFitted: fitted.length,
  };
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
      background_label: "null",
      weights_digest: `${metadata.weights_digest}-taught-${digest(layer)}`,
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
    ...{ silence_label: null, background: null, max_novelty: null, window_max_novelty: null },
    known_scores: { clips: [], windows: [] },
  };
}

/** Has the page predict with the new model from now on. */
async function use(state, { model, content }) {
  state.network = await Network.open(content, model);
  state.model = model;
}

const ACTIONS = {
  embed: (state, { id, blob }, decodeWhole) => embed(state, id, blob, decodeWhole),
  train,
  use,
};

export async function answerTeaching(message, state, decodeWhole) {
  const { id, action } = message;
  try {
    const answer = await ACTIONS[action](state, message, decodeWhole);
    postMessage({ type: "taught", id, answer });
  } catch (error) {
    postMessage({ type: "taught", id, error: error.message });
  }
}
