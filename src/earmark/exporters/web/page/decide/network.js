// The network of the model in ONNX Runtime, one thread.

import * as ort from "../runtime/ort.wasm.bundle.min.mjs";

const LOG_MEL = "log_mel";

export class Network {
  /** Opens a graph that takes windows of log-mel frames. */
  static async open(content, model) {
    // Threads need headers that a static server does not send.
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = {
      wasm: new URL("../runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href,
    };
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    return new Network(await ort.InferenceSession.create(content, options), model);
  }

  constructor(session, model) {
    this.session = session;
    this.model = model;
    this.last = Promise.resolve();
  }

  /** Logits and novelty of each window, in one call that waits for those before. */
  run(windows) {
    const result = this.last.then(() => this.#run(windows));
    this.last = result.catch(() => {});
    return result;
  }

  /** The embedding of each window, of a graph that gives nothing else. */
  embed(windows) {
    const result = this.last.then(async () => rows((await this.#outputs(windows)).embedding));
    this.last = result.catch(() => {});
    return result;
  }

  #outputs(windows) {
    const { n_mels: mels } = this.model.features;
    const size = mels * this.model.window_frames;
    const batch = new Float32Array(windows.length * size);
    windows.forEach((window, index) => batch.set(window.data, index * size));
    const shape = [windows.length, 1, mels, this.model.window_frames];
    return this.session.run({ [LOG_MEL]: new ort.Tensor("float32", batch, shape) });
  }

  async #run(windows) {
    if (!windows.length) return [];
    const output = await this.#outputs(windows);
    const logits = rows(output.logits);
    const novelty = output.novelty?.data;
    return windows.map((_, index) => {
      if (!logits[index].every(Number.isFinite)) throw new Error("logits are not finite numbers");
      return {
        logits: logits[index],
        novelty: novelty ? novelty[index] : null,
      };
    });
  }
}

function rows(tensor) {
  const width = tensor.dims[1];
  return Array.from({ length: tensor.dims[0] }, (_, row) =>
    Array.from(tensor.data.subarray(row * width, (row + 1) * width)),
  );
}
