// WAV and RF64: integers of 8 to 32 bits, floating point, A-law and mu-law.

import { Bytes, SoundError, text, view } from "./bytes.js";

const BLOCK_FRAMES = 1 << 16;
const [PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE] = [1, 3, 6, 7, 0xfffe];
const NOT_STATED = 0xffffffff;
/** A larger size is often that of a writer that did not know the length. */
const LARGEST_STATED = 0x7fff0000;
const TOLERATED_SECONDS = 0.1;

export const isWav = (head) =>
  ["RIFF", "RF64"].includes(text(head, 0, 4)) && text(head, 8, 12) === "WAVE";

function muLaw(code) {
  const value = ~code & 0xff;
  const magnitude = ((((value & 15) << 3) + 132) << ((value >> 4) & 7)) - 132;
  return (value & 128 ? -magnitude : magnitude) / 32768;
}

function aLaw(code) {
  const value = code ^ 0x55;
  const exponent = (value >> 4) & 7;
  let magnitude = ((value & 15) << 4) + 8;
  if (exponent) magnitude = (magnitude + 256) << (exponent - 1);
  return (value & 128 ? magnitude : -magnitude) / 32768;
}

/** Reads a sample at a byte, for each coding and size. */
const READERS = {
  [`${PCM} 8`]: (data, at) => (data.getUint8(at) - 128) / 128,
  [`${PCM} 16`]: (data, at) => data.getInt16(at, true) / 2 ** 15,
  [`${PCM} 24`]: (data, at) => (data.getUint16(at, true) + data.getInt8(at + 2) * 65536) / 2 ** 23,
  [`${PCM} 32`]: (data, at) => data.getInt32(at, true) / 2 ** 31,
  [`${FLOAT} 32`]: (data, at) => data.getFloat32(at, true),
  [`${FLOAT} 64`]: (data, at) => data.getFloat64(at, true),
  [`${A_LAW} 8`]: (data, at) => aLaw(data.getUint8(at)),
  [`${MU_LAW} 8`]: (data, at) => muLaw(data.getUint8(at)),
};

/** Opens a file: its rate, channels, length, and blocks of samples, a Float32Array a channel. */
export async function openWav(blob) {
  const bytes = new Bytes(blob);
  bytes.skip(12);
  let format = null;
  let longSize = 0;
  for (;;) {
    const head = await bytes.take(8);
    if (head.length < 8) throw new SoundError("no sound in this WAV file");
    const name = text(head, 0, 4);
    const size = view(head).getUint32(4, true);
    if (name === "data") return describe(bytes, format, size === NOT_STATED ? longSize : size);
    if (name === "ds64") longSize = Number(view(await bytes.peek(16)).getBigUint64(8, true));
    if (name === "fmt ") format = readFormat(view(await bytes.peek(size)));
    bytes.skip(size + (size % 2));
  }
}

function readFormat(data) {
  if (data.byteLength < 16) throw new SoundError("a WAV file without its format");
  let coding = data.getUint16(0, true);
  if (coding === EXTENSIBLE && data.byteLength >= 26) coding = data.getUint16(24, true);
  const bits = data.getUint16(14, true);
  const read = READERS[`${coding} ${bits}`];
  if (!read) throw new SoundError(`WAV coding ${coding} with ${bits} bits is not supported`);
  const channels = data.getUint16(2, true);
  const rate = data.getUint32(4, true);
  if (!channels || !rate) throw new SoundError(`a WAV file of ${channels} channels at ${rate} Hz`);
  return { read, channels, bytes: bits / 8, rate };
}

function describe(bytes, format, size) {
  if (!format) throw new SoundError("a WAV file without its format");
  const present = bytes.blob.size - bytes.position;
  const frameBytes = format.bytes * format.channels;
  const frames = Math.floor(Math.min(size || present, present) / frameBytes);
  const missing = (size - present) / frameBytes / format.rate;
  if (size < LARGEST_STATED && missing > TOLERATED_SECONDS) {
    throw new SoundError(`cut off: it holds ${missing.toFixed(1)} s less than it declares`);
  }
  return {
    rate: format.rate,
    seconds: frames / format.rate,
    blocks: () => readBlocks(bytes, format, frames),
  };
}

async function* readBlocks(bytes, format, numFrames) {
  const frameBytes = format.bytes * format.channels;
  for (let first = 0; first < numFrames; first += BLOCK_FRAMES) {
    const count = Math.min(BLOCK_FRAMES, numFrames - first);
    const data = view(await bytes.peek(count * frameBytes));
    yield Array.from({ length: format.channels }, (_, channel) => {
      const samples = new Float32Array(count);
      let at = channel * format.bytes;
      for (let k = 0; k < count; k++, at += frameBytes) samples[k] = format.read(data, at);
      return samples;
    });
    bytes.skip(count * frameBytes);
  }
}
