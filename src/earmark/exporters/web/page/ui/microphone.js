// The microphone, as blocks of samples and, when it has stopped, as a WAV file.

const FULL_SCALE = 32767;
const PART_BLOCKS = 512;

/** Samples as they are kept, in 16 bits; what is predicted is the same as what is saved. */
function quantize(samples) {
  return Int16Array.from(samples, (value) =>
    Math.round(Math.max(-1, Math.min(1, value)) * FULL_SCALE),
  );
}

function wavHeader(numSamples, rate) {
  const header = new DataView(new ArrayBuffer(44));
  const put = (at, text) => [...text].forEach((one, k) => header.setUint8(at + k, one.charCodeAt(0)));
  const bytes = 2 * numSamples;
  put(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  put(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  put(36, "data");
  header.setUint32(40, bytes, true);
  return header.buffer;
}

export class Microphone {
  /** Starts to record; `take` gets each block of samples. */
  static async start(take) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("the microphone needs a secure address: https, or localhost");
    }
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...plain, channelCount: 1 } });
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    return new Microphone(stream, context, take);
  }

  constructor(stream, context, take) {
    Object.assign(this, { stream, context });
    this.rate = context.sampleRate;
    this.blocks = [];
    this.parts = [];
    this.numSamples = 0;
    this.node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      const kept = quantize(data);
      this.blocks.push(kept);
      this.numSamples += kept.length;
      // Blobs may leave the memory, arrays do not.
      if (this.blocks.length === PART_BLOCKS) this.#closePart();
      take(Float32Array.from(kept, (value) => value / 32768));
    };
    context.createMediaStreamSource(stream).connect(this.node);
  }

  #closePart() {
    this.parts.push(new Blob(this.blocks));
    this.blocks = [];
  }

  /** Stops; the recording as a WAV file. */
  async stop() {
    this.node.port.onmessage = null;
    for (const one of this.stream.getTracks()) one.stop();
    await this.context.close();
    this.#closePart();
    const content = [wavHeader(this.numSamples, this.rate), ...this.parts];
    return new Blob(content, { type: "audio/wav" });
  }
}
