// Decodes packets with the decoders of the browser, a few at a time.

import { SoundError } from "./bytes.js";

const MAX_WAITING = 32;

/** Whether the browser has decoders of packets; pages that are not secure have none. */
export const hasDecoders = () => typeof AudioDecoder !== "undefined";

export async function canDecode(config) {
  if (!hasDecoders()) return false;
  try {
    return (await AudioDecoder.isConfigSupported(config)).supported;
  } catch {
    return false;
  }
}

function copyChannels(data) {
  const channels = Array.from({ length: data.numberOfChannels }, (_, planeIndex) => {
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex, format: "f32-planar" });
    return samples;
  });
  data.close();
  return channels;
}

/**
 * Yields the decoded samples of packets in order, a Float32Array a channel.
 *
 * `packets` yields bytes; it is asked for more only while few wait, so memory stays small.
 */
export async function* decodePackets(config, packets) {
  const ready = [];
  let failure = null;
  let wake = () => {};
  const decoder = new AudioDecoder({
    output: (data) => {
      ready.push(copyChannels(data));
      wake();
    },
    error: (error) => {
      failure = error;
      wake();
    },
  });
  decoder.ondequeue = () => wake();
  decoder.configure(config);
  try {
    let timestamp = 0;
    for await (const data of packets) {
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: timestamp++, data }));
      while (!failure && decoder.decodeQueueSize > MAX_WAITING) {
        await new Promise((resolve) => (wake = resolve));
      }
      if (failure) throw failure;
      while (ready.length) yield ready.shift();
    }
    await decoder.flush();
    if (failure) throw failure;
    while (ready.length) yield ready.shift();
  } catch (error) {
    if (error instanceof SoundError) throw error;
    throw new SoundError(`cannot be decoded: ${(failure ?? error).message}`);
  } finally {
    if (decoder.state !== "closed") decoder.close();
  }
}

/** Leaves out samples at the start, and all beyond a total. */
export async function* trimmed(blocks, skip, total = Infinity) {
  let toSkip = skip;
  let left = total;
  for await (const channels of blocks) {
    const first = Math.min(toSkip, channels[0].length);
    const last = Math.min(channels[0].length, first + left);
    toSkip -= first;
    left -= last - first;
    if (last > first) yield channels.map((one) => one.subarray(first, last));
    if (left <= 0) return;
  }
}
