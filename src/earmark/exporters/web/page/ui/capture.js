// Runs in the audio thread: passes on the samples of the microphone.

const SIZE = 4096;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(SIZE);
    this.filled = 0;
  }

  process([channels]) {
    const [samples] = channels;
    if (!samples) return true;
    for (const one of samples) {
      this.block[this.filled++] = one;
      if (this.filled < SIZE) continue;
      this.port.postMessage(this.block, [this.block.buffer]);
      this.block = new Float32Array(SIZE);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
