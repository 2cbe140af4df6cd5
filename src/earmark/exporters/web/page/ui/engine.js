// The page's side of the worker.

const MAX_WHOLE_SECONDS = 15 * 60;
const MAX_WHOLE_BYTES = 1 << 28;
const WHOLE_RATE = 48000;

/** The length of a file that the browser can play, without decoding it. */
function playableSeconds(blob) {
  return new Promise((resolve, reject) => {
    const audio = new Audio();
    const url = URL.createObjectURL(blob);
    const end = (settle, value) => {
      URL.revokeObjectURL(url);
      settle(value);
    };
    audio.onloadedmetadata = () => end(resolve, audio.duration);
    audio.onerror = () => end(reject, new Error("not a sound file that this browser can decode"));
    audio.preload = "metadata";
    audio.src = url;
  });
}

/** Decodes a file at once, at a fixed rate; only what fits in memory. */
async function decodeWhole(blob) {
  const seconds = await playableSeconds(blob);
  const isLong = Number.isFinite(seconds) ? seconds > MAX_WHOLE_SECONDS : blob.size > MAX_WHOLE_BYTES / 8;
  if (isLong || blob.size > MAX_WHOLE_BYTES) {
    throw new Error(
      "this browser decodes files of this kind only as a whole, up to 15 minutes; convert it to " +
        "WAV or FLAC, or open the page over https",
    );
  }
  const context = new OfflineAudioContext(1, 1, WHOLE_RATE);
  const buffer = await context.decodeAudioData(await blob.arrayBuffer());
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, index) =>
    buffer.getChannelData(index).slice(),
  );
  return { rate: buffer.sampleRate, channels };
}

/** Starts the worker; `on` has a function for each kind of message that concerns files. */
export class Engine {
  constructor() {
    this.listeners = new Map();
    this.nextId = 1;
    // A worker made of text is bound by the policy of this page, one from a server is not.
    const source = `import ${JSON.stringify(new URL("../worker.js", import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(url, { type: "module" });
    this.ready = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        if (data.type === "ready") resolve(data.model);
        else if (data.type === "broken") reject(new Error(data.message));
        else if (data.type === "decode") this.#decode(data);
        else this.listeners.get(data.id)?.(data);
      };
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker cannot start"));
    });
    this.worker.postMessage({ type: "load" });
  }

  /** Sends a request; the listener gets all messages about it. Returns its number. */
  send(message, listener, transfer = []) {
    const id = this.nextId++;
    this.listeners.set(id, listener);
    this.worker.postMessage({ ...message, id }, transfer);
    return id;
  }

  /** Sends more about an earlier request. */
  tell(message, transfer = []) {
    this.worker.postMessage(message, transfer);
  }

  /** Ends a request that has its answer. */
  forget(id) {
    this.listeners.delete(id);
  }

  /** Ends a request that may still be waiting or in work. */
  cancel(id) {
    this.forget(id);
    this.worker.postMessage({ type: "cancel", id });
  }

  async #decode({ id, blob }) {
    try {
      const { rate, channels } = await decodeWhole(blob);
      const buffers = channels.map((one) => one.buffer);
      this.worker.postMessage({ type: "decoded", id, rate, channels }, buffers);
    } catch (error) {
      this.worker.postMessage({ type: "decoded", id, error: error.message });
    }
  }
}
