// Reads a file in order, a part at a time.

const PART_BYTES = 1 << 18;

/** An error that the user can do something about. */
export class SoundError extends Error {}

export class Bytes {
  constructor(blob) {
    this.blob = blob;
    this.position = 0;
    this.held = new Uint8Array(0);
    this.at = 0;
  }

  /** The next bytes without moving on: `count` of them, or fewer at the end of the file. */
  async peek(count) {
    if (this.held.length - this.at < count) {
      const from = this.position + this.held.length - this.at;
      const to = Math.max(from + PART_BYTES, this.position + count);
      const more = new Uint8Array(await this.blob.slice(from, to).arrayBuffer());
      const both = new Uint8Array(this.held.length - this.at + more.length);
      both.set(this.held.subarray(this.at));
      both.set(more, this.held.length - this.at);
      this.held = both;
      this.at = 0;
    }
    return this.held.subarray(this.at, this.at + count);
  }

  /** Moves on, also beyond what was read. */
  skip(count) {
    this.position += count;
    this.at += count;
    if (this.at > this.held.length) {
      this.held = new Uint8Array(0);
      this.at = 0;
    }
  }

  /** The next bytes, copied. */
  async take(count) {
    const bytes = (await this.peek(count)).slice();
    this.skip(bytes.length);
    return bytes;
  }

  get isAtEnd() {
    return this.position >= this.blob.size;
  }
}

export const text = (bytes, from = 0, to = bytes.length) =>
  String.fromCharCode(...bytes.subarray(from, to));

export const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
