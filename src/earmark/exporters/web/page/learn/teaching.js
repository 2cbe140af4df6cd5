// The worker's part of teaching: embeddings of examples, training, and the new model in use.

import { FrameStream } from "../decide/recording.js";
import { Network } from "../decide/network.js";
import { openSound } from "../decode/open.js";
import { WindowCutter } from "../dsp/windows.js";
import { embeddingGraph } from "./graph.js";
import { train } from "./training.js";

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
