// Frames of FLAC.

import { Bytes, SoundError, text, view } from "./bytes.js";
import { decodePackets } from "./packets.js";

const STREAM_INFO = 0;
const MAX_HEADER = 16;

const CRC8 = Uint8Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value & 128 ? 0x107 : 0);
  return value;
});

export const isFlac = (head) => text(head, 0, 4) === "fLaC";

/** The number of a frame or sample in the coding of UTF-8, and its bytes. */
function readNumber(bytes, at) {
  const first = bytes[at];
  if (first < 128) return { value: first, length: 1 };
  let length = 0;
  while (length < 7 && first & (128 >> length)) length++;
  if (length < 2) return null;
  let value = first & (127 >> length);
  for (let k = 1; k < length; k++) {
    if ((bytes[at + k] & 0xc0) !== 0x80) return null;
    value = value * 64 + (bytes[at + k] & 63);
  }
  return { value, length };
}

/** The number in the header of a frame that begins at a byte; null if none does. */
export function frameNumber(bytes, at) {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xfe) !== 0xf8) return null;
  const size = bytes[at + 2] >> 4;
  const rate = bytes[at + 2] & 15;
  if (!size || rate === 15 || bytes[at + 3] & 1) return null;
  const number = readNumber(bytes, at + 4);
  if (!number) return null;
  const more = (size === 6 ? 1 : size === 7 ? 2 : 0) + (rate === 12 ? 1 : rate > 12 ? 2 : 0);
  const checked = at + 4 + number.length + more;
  let crc = 0;
  for (let k = at; k < checked; k++) crc = CRC8[crc ^ bytes[k]];
  return crc === bytes[checked] ? number.value : null;
}

export async function openFlac(blob) {
  const bytes = new Bytes(blob);
  bytes.skip(4);
  let info = null;
  for (let isLast = false; !isLast; ) {
    const head = await bytes.take(4);
    if (head.length < 4) throw new SoundError("no sound in this FLAC file");
    isLast = (head[0] & 128) !== 0;
    const size = (head[1] << 16) | (head[2] << 8) | head[3];
    if ((head[0] & 127) === STREAM_INFO) info = (await bytes.peek(size)).slice();
    bytes.skip(size);
  }
  if (!info) throw new SoundError("a FLAC file without its description");
  return describeFlac(info, readFrames(bytes, info));
}

/** A stream of FLAC frames by its description; they may also come from an Ogg file. */
export function describeFlac(info, packets) {
  const data = view(info);
  const rate = data.getUint32(10) >>> 12;
  const total = (info[13] & 15) * 2 ** 32 + data.getUint32(14);
  const description = new Uint8Array(8 + info.length);
  description.set([0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, info.length]);
  description.set(info, 8);
  const numberOfChannels = ((info[12] >> 1) & 7) + 1;
  const config = { codec: "flac", sampleRate: rate, numberOfChannels, description };
  return {
    rate,
    seconds: total ? total / rate : null,
    config,
    blocks: () => decodePackets(config, packets),
  };
}

/** Frames, each from its header to that of the next, which has the next number. */
async function* readFrames(bytes, info) {
  const largest = ((info[7] << 16) | (info[8] << 8) | info[9]) || 1 << 19;
  const smallest = (info[4] << 16) | (info[5] << 8) | info[6];
  for (;;) {
    const held = await bytes.peek(2 * largest + MAX_HEADER);
    const number = frameNumber(held, 0);
    if (number === null) return;
    let end = Math.max(MAX_HEADER / 2, smallest);
    for (; end < held.length; end++) {
      if (held[end] !== 0xff) continue;
      const next = frameNumber(held, end);
      if (next !== null && next > number && isSuccessor(held, number, next, info)) break;
    }
    yield held.slice(0, Math.min(end, held.length));
    bytes.skip(end);
    if (bytes.isAtEnd) return;
  }
}

function isSuccessor(held, number, next, info) {
  // Frames of one size are numbered, others state their first sample.
  if (!(held[1] & 1)) return next === number + 1;
  return next - number <= view(info).getUint16(2);
}
