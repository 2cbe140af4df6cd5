// All decoding, inference and training: the page only shows what this worker reports.

import { openSound } from "./decode/open.js";
import { Network } from "./decide/network.js";
import { Recording } from "./decide/recording.js";
import { answerTeaching } from "./learn/teaching.js";

const state = { model: null, network: null, graph: null, live: null };
const canceled = new Set();
const decoding = new Map();
let queue = Promise.resolve();

async function fetched(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response;
}

async function load() {
  state.model = await (await fetched("model.json")).json();
  state.graph = new Uint8Array(await (await fetched("model.onnx")).arrayBuffer());
  state.network = await Network.open(state.graph, state.model);
  postMessage({ type: "ready", model: state.model });
}

/** Asks the page, since workers cannot decode whole files. */
function decodeWhole(id, blob) {
  return new Promise((resolve, reject) => {
    decoding.set(id, { resolve, reject });
    postMessage({ type: "decode", id, blob });
  });
}

function reporter(id, totalSeconds) {
  return ({ seconds, picture, windows }) => {
    const rows = windows.map(({ start, end, row, abstained }) => ({ start, end, row, abstained }));
    const message = { type: "progress", id, seconds, totalSeconds, picture, windows: rows };
    postMessage(message, [picture.buffer]);
  };
}

async function analyse({ id, blob }) {
  if (canceled.delete(id)) return;
  const started = performance.now();
  try {
    const sound = await openSound(blob, (one) => decodeWhole(id, one));
    const report = reporter(id, sound.seconds);
    const recording = new Recording(state.model, state.network, sound.rate, report);
    for await (const block of batched(sound.blocks(), sound.rate)) {
      if (canceled.delete(id)) return;
      await recording.add(block);
    }
    const result = await recording.finish();
    const elapsedSeconds = (performance.now() - started) / 1000;
    postMessage({ type: "done", id, result, rate: sound.rate, elapsedSeconds });
  } catch (error) {
    postMessage({ type: "failed", id, message: error.message });
  }
}

/** Joins the small blocks of decoders to about two seconds. */
async function* batched(blocks, rate) {
  let held = [];
  let length = 0;
  for await (const block of blocks) {
    held.push(block);
    length += block[0].length;
    if (length < 2 * rate) continue;
    yield joinBlocks(held, length);
    [held, length] = [[], 0];
  }
  if (length) yield joinBlocks(held, length);
}

function joinBlocks(blocks, length) {
  if (blocks.length === 1) return blocks[0];
  return blocks[0].map((_, channel) => {
    const joined = new Float32Array(length);
    let at = 0;
    for (const block of blocks) {
      joined.set(block[Math.min(channel, block.length - 1)], at);
      at += block[0].length;
    }
    return joined;
  });
}

/** Live sound jumps the queue: it is predicted while files wait. */
async function live(message) {
  const { id } = message;
  try {
    if (message.type === "live-start") {
      const report = reporter(id, null);
      state.live = new Recording(state.model, state.network, message.rate, report);
    } else if (message.type === "live") {
      await state.live?.add([message.samples], true);
    } else {
      const result = await state.live.finish();
      postMessage({ type: "done", id, result, rate: state.live.stream.rate });
      state.live = null;
    }
  } catch (error) {
    state.live = null;
    postMessage({ type: "failed", id, message: error.message });
  }
}

let liveQueue = Promise.resolve();

const handlers = {
  load: () => load().catch((error) => postMessage({ type: "broken", message: error.message })),
  analyse: (message) => (queue = queue.then(() => analyse(message))),
  cancel: ({ id }) => canceled.add(id),
  decoded: ({ id, rate, channels, error }) => {
    const { resolve, reject } = decoding.get(id);
    decoding.delete(id);
    if (error) reject(new Error(error));
    else resolve({ rate, channels });
  },
  teach: (message) => (queue = queue.then(() => answerTeaching(message, state, decodeWhole))),
};
for (const type of ["live-start", "live", "live-stop"]) {
  handlers[type] = (message) => (liveQueue = liveQueue.then(() => live(message)));
}

onmessage = ({ data }) => handlers[data.type](data);
