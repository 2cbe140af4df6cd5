// Frames of MPEG audio layer III, without those that hold no sound.

import { Bytes, SoundError, text, view } from "./bytes.js";
import { decodePackets, trimmed } from "./packets.js";

const RATES = [44100, 48000, 32000];
const KBITS_1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const DECODER_DELAY = 529;
const MAX_JUNK = 1 << 20;

/** What the four bytes before a frame say; null where no frame begins. */
export function frameHeader(bytes, at = 0) {
  if (bytes.length < at + 4 || bytes[at] !== 0xff || (bytes[at + 1] & 0xe6) !== 0xe2) return null;
  const version = (bytes[at + 1] >> 3) & 3;
  const kbitsIndex = bytes[at + 2] >> 4;
  const rateIndex = (bytes[at + 2] >> 2) & 3;
  if (version === 1 || rateIndex === 3 || kbitsIndex === 0 || kbitsIndex === 15) return null;
  const isFirst = version === 3;
  const rate = RATES[rateIndex] / [4, 1, 2, 1][version];
  const kbits = (isFirst ? KBITS_1 : KBITS_2)[kbitsIndex];
  const samples = isFirst ? 1152 : 576;
  const padding = (bytes[at + 2] >> 1) & 1;
  const isMono = bytes[at + 3] >> 6 === 3;
  const sideBytes = isFirst ? (isMono ? 17 : 32) : isMono ? 9 : 17;
  const size = Math.floor((samples * kbits * 125) / rate) + padding;
  return { rate, channels: isMono ? 1 : 2, samples, size, sideBytes };
}

export const isMp3 = (head) => text(head, 0, 3) === "ID3" || frameHeader(head) !== null;

/** Skips tags at the start. */
async function skipTags(bytes) {
  for (;;) {
    const head = await bytes.peek(10);
    if (head.length < 10 || text(head, 0, 3) !== "ID3") return;
    const size = head.subarray(6, 10).reduce((total, one) => total * 128 + (one & 127), 0);
    bytes.skip(10 + size + (head[5] & 16 ? 10 : 0));
  }
}

/** Moves to where two frames follow each other, and returns the header of the first. */
async function findFrame(bytes) {
  const limit = bytes.position + MAX_JUNK;
  while (bytes.position < limit) {
    const head = await bytes.peek(4);
    if (head.length < 4) return null;
    const header = frameHeader(head);
    if (header) {
      const both = await bytes.peek(header.size + 4);
      if (both.length <= header.size) return both.length === header.size ? header : null;
      if (both.length < header.size + 4 || frameHeader(both, header.size)) return header;
    }
    bytes.skip(1);
  }
  return null;
}

/** The frame that describes the file: how much silence its encoder added, and the whole length. */
export function readInfo(frame, header) {
  const at = 4 + header.sideBytes;
  if (!["Xing", "Info"].includes(text(frame, at, at + 4))) return null;
  const data = view(frame);
  const flags = data.getUint32(at + 4);
  const frames = flags & 1 ? data.getUint32(at + 8) : 0;
  const lame = at + 8 + [1, 2].reduce((n, one) => n + (flags & one ? 4 : 0), 0);
  const after = lame + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  if (after + 24 > frame.length || !/^[A-Z]{3}/i.test(text(frame, after, after + 4))) {
    return { frames, delay: 0, padding: 0, isGapless: false };
  }
  const [a, b, c] = frame.subarray(after + 21, after + 24);
  const delay = (a << 4) | (b >> 4);
  const padding = ((b & 15) << 8) | c;
  return { frames, delay, padding, isGapless: frames > 0 && delay + padding > 0 };
}

export async function openMp3(blob) {
  const bytes = new Bytes(blob);
  await skipTags(bytes);
  const header = await findFrame(bytes);
  if (!header) throw new SoundError("no MP3 frames in it");
  const info = readInfo(await bytes.peek(header.size), header);
  if (info) bytes.skip(header.size);
  const total = info?.frames ? info.frames * header.samples : 0;
  const start = info?.isGapless ? info.delay + DECODER_DELAY : 0;
  const length = info?.isGapless ? Math.max(0, total - info.delay - info.padding) : Infinity;
  const guess = ((blob.size - bytes.position) / header.size) * (header.samples / header.rate);
  const config = { codec: "mp3", sampleRate: header.rate, numberOfChannels: header.channels };
  return {
    rate: header.rate,
    seconds: total ? (Number.isFinite(length) ? length : total) / header.rate : guess,
    config,
    blocks: () => trimmed(decodePackets(config, readFrames(bytes, header)), start, length),
  };
}

async function* readFrames(bytes, first) {
  for (;;) {
    const header = frameHeader(await bytes.peek(4));
    if (!header || header.rate !== first.rate) {
      if (!(await findFrame(bytes))) return;
      if (frameHeader(await bytes.peek(4)).rate !== first.rate) bytes.skip(1);
      continue;
    }
    const frame = await bytes.take(header.size);
    if (frame.length < header.size) return;
    yield frame;
  }
}
