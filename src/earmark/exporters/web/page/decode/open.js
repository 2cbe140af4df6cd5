// Opens any sound: by its own reader where there is one, else whole by the browser.

import { Bytes, SoundError } from "./bytes.js";
import { isFlac, openFlac } from "./flac.js";
import { isMp3, openMp3 } from "./mp3.js";
import { isOgg, openOgg } from "./ogg.js";
import { canDecode } from "./packets.js";
import { isWav, openWav } from "./wav.js";

const BLOCK_SAMPLES = 1 << 16;
const LOUDEST = 16;
export const MIN_SECONDS = 0.1;

const READERS = [
  [isWav, openWav],
  [isFlac, openFlac],
  [isOgg, openOgg],
  [isMp3, openMp3],
];

/**
 * Opens a sound file.
 *
 * `decodeWhole(blob)` has the browser decode a file at once: formats without a reader here.
 */
export async function openSound(blob, decodeWhole) {
  if (!blob.size) throw new SoundError("empty file");
  const head = await new Bytes(blob).peek(16);
  const [, open] = READERS.find(([is]) => head.length >= 12 && is(head)) ?? [];
  if (open) {
    const sound = await open(blob);
    if (!sound.config || (await canDecode(sound.config))) return sound;
  }
  const { rate, channels } = await decodeWhole(blob);
  return { rate, seconds: channels[0].length / rate, blocks: () => cutBlocks(channels) };
}

async function* cutBlocks(channels) {
  for (let first = 0; first < channels[0].length; first += BLOCK_SAMPLES) {
    yield channels.map((one) => one.subarray(first, first + BLOCK_SAMPLES));
  }
}

/** One channel of a block: the mean of all, or that of the number, counted from 1. */
export function downmix(channels, number) {
  if (number) {
    if (number > channels.length) throw new SoundError(`no channel ${number} in it`);
    return checked(channels[number - 1]);
  }
  if (channels.length === 1) return checked(channels[0]);
  const mono = new Float32Array(channels[0].length);
  for (const channel of channels) for (let k = 0; k < mono.length; k++) mono[k] += channel[k];
  for (let k = 0; k < mono.length; k++) mono[k] /= channels.length;
  return checked(mono);
}

function checked(samples) {
  for (let k = 0; k < samples.length; k++) {
    if (!(Math.abs(samples[k]) <= LOUDEST)) {
      throw new SoundError("its samples are not numbers between -1 and 1");
    }
  }
  return samples;
}
