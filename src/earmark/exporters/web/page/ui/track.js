// What is known of a recording: its picture and the probabilities of its windows.

/** Bytes that grow. */
class Growing {
  constructor() {
    this.values = new Uint8Array(1 << 12);
    this.length = 0;
  }

  add(more) {
    if (this.length + more.length > this.values.length) {
      const larger = new Uint8Array(2 * (this.length + more.length));
      larger.set(this.values.subarray(0, this.length));
      this.values = larger;
    }
    this.values.set(more, this.length);
    this.length += more.length;
  }
}

/** A file or recording; `update` is called with it whenever more is known. */
export class Track {
  constructor(path, blob, model) {
    Object.assign(this, { path, blob, model });
    this.status = "waiting";
    this.picture = new Growing();
    this.windows = [];
    this.seconds = 0;
    this.totalSeconds = null;
    this.result = null;
    this.message = "";
  }

  get isOpen() {
    return this.status === "waiting" || this.status === "running";
  }

  get numFrames() {
    return this.picture.length / this.model.features.n_mels;
  }

  get framesPerSecond() {
    return this.model.features.sample_rate / this.model.features.hop_length;
  }

  /** The length that the time line has. */
  get shownSeconds() {
    return this.result?.duration_seconds ?? Math.max(this.totalSeconds ?? 0, this.seconds, 1);
  }

  take(data) {
    if (data.type === "progress") {
      this.status = "running";
      this.seconds = data.seconds;
      this.totalSeconds = data.totalSeconds;
      this.picture.add(data.picture);
      for (const one of data.windows) this.windows.push(one);
    } else if (data.type === "done") {
      this.status = "done";
      this.result = data.result;
      this.rate = data.rate;
      this.elapsedSeconds = data.elapsedSeconds;
    } else {
      this.status = "failed";
      this.message = data.message;
    }
  }
}
