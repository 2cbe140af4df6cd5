// Packets of the first sound stream of an Ogg file: Vorbis, Opus or FLAC.

import { Bytes, SoundError, text, view } from "./bytes.js";
import { describeFlac } from "./flac.js";
import { decodePackets, trimmed } from "./packets.js";

const OPUS_RATE = 48000;
const TAIL_BYTES = 1 << 17;

export const isOgg = (head) => text(head, 0, 4) === "OggS";

/** The next page: its header and the packets in it, the last perhaps not whole. */
async function readPage(bytes) {
  const head = await bytes.take(27);
  if (head.length < 27 || text(head, 0, 4) !== "OggS") return null;
  const lacing = await bytes.take(head[26]);
  const size = lacing.reduce((total, one) => total + one, 0);
  const body = await bytes.take(size);
  if (body.length < size) return null;
  const parts = [];
  let [from, at, isOpen] = [0, 0, false];
  for (const value of lacing) {
    at += value;
    isOpen = value === 255;
    if (!isOpen) {
      parts.push(body.subarray(from, at));
      from = at;
    }
  }
  if (isOpen) parts.push(body.subarray(from, at));
  return { serial: view(head).getUint32(14, true), isContinued: head[5] & 1, parts, isOpen };
}

function joinedParts(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** All packets of one stream, in order. */
async function* readPackets(bytes, serial) {
  let started = null;
  for (let page = await readPage(bytes); page; page = await readPage(bytes)) {
    if (page.serial !== serial) continue;
    const parts = [...page.parts];
    if (started && page.isContinued && parts.length) parts[0] = joinedParts(started, parts[0]);
    started = page.isOpen ? parts.pop() : null;
    yield* parts;
  }
}

/** The position, in samples, at the end of the stream: that of its last page. */
async function lastPosition(blob, serial) {
  const from = Math.max(0, blob.size - TAIL_BYTES);
  const tail = new Uint8Array(await blob.slice(from).arrayBuffer());
  for (let at = tail.length - 27; at >= 0; at--) {
    if (tail[at] !== 0x4f || text(tail, at, at + 4) !== "OggS") continue;
    const data = view(tail);
    const position = data.getBigInt64(at + 6, true);
    if (data.getUint32(at + 14, true) === serial && position >= 0) return Number(position);
  }
  return Infinity;
}

export async function openOgg(blob) {
  const bytes = new Bytes(blob);
  const serial = view(await bytes.peek(27)).getUint32(14, true);
  const packets = readPackets(bytes, serial);
  const { value: head } = await packets.next();
  if (!head) throw new SoundError("no sound in this Ogg file");
  const total = await lastPosition(blob, serial);
  if (text(head, 1, 7) === "vorbis") return openVorbis(packets, head, total);
  if (text(head, 0, 8) === "OpusHead") return openOpus(packets, head, total);
  if (text(head, 1, 5) === "FLAC") return openFlacInOgg(packets, head);
  throw new SoundError("an Ogg file without Vorbis, Opus or FLAC");
}

async function openVorbis(packets, head, total) {
  const { value: comments } = await packets.next();
  const { value: setup } = await packets.next();
  if (!setup) throw new SoundError("a Vorbis file without its tables");
  const laced = (size) => [...new Array(Math.floor(size / 255)).fill(255), size % 255];
  const lengths = [2, ...laced(head.length), ...laced(comments.length)];
  const description = new Uint8Array(
    lengths.length + head.length + comments.length + setup.length,
  );
  description.set(lengths);
  description.set(head, lengths.length);
  description.set(comments, lengths.length + head.length);
  description.set(setup, lengths.length + head.length + comments.length);
  const rate = view(head).getUint32(12, true);
  const config = { codec: "vorbis", sampleRate: rate, numberOfChannels: head[11], description };
  return describe(config, packets, 0, total);
}

async function openOpus(packets, head, total) {
  await packets.next();
  const skip = view(head).getUint16(10, true);
  const config = { codec: "opus", sampleRate: OPUS_RATE, numberOfChannels: head[9] };
  if (head[18] === 0) return describe(config, packets, skip, total - skip);
  // Told of the mapping of many channels, browsers leave out the samples before the sound.
  return describe({ ...config, description: head.slice() }, packets, 0, total - skip);
}

function describe(config, packets, skip, total) {
  return {
    rate: config.sampleRate,
    seconds: Number.isFinite(total) ? total / config.sampleRate : null,
    config,
    blocks: () => trimmed(decodePackets(config, packets), skip, total),
  };
}

async function openFlacInOgg(packets, head) {
  // After the mark of the mapping come the mark of FLAC and its description.
  const info = head.slice(17);
  for (let left = view(head).getUint16(7); left > 0; left--) await packets.next();
  return describeFlac(info, packets);
}
