// Runs a model that `earmark export` wrote, with onnxruntime-node only.
//
//     npm install onnxruntime-node
//     node predict.mjs model.onnx a.wav b.wav
//
// Each file gives a line of JSON with its label and probabilities. It reads WAV files of 16 bits or
// of 32-bit floating point, at the rate of the model; another program converts all others.

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

const MIN_SECONDS = 0.1;
const utf8 = new TextDecoder();

async function main(model, ...paths) {
  const facts = readMetadata(readFileSync(model));
  const session = await ort.InferenceSession.create(model);
  if (session.inputNames[0] !== "waveform") {
    fail(`${model}: takes windows of log-mel frames; export it without --input`);
  }
  for (const path of paths) {
    console.log(JSON.stringify({ path, ...(await predict(session, facts, path)) }));
  }
}

async function predict(session, facts, path) {
  const rate = Number(facts.sample_rate);
  const settings = JSON.parse(facts.earmark).config.features;
  const samples = readWav(path, rate, settings.channel);
  if (samples.length < MIN_SECONDS * rate) fail(`${path}: shorter than ${MIN_SECONDS} s`);
  const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
  const found = await session.run({ waveform });
  const novelty = found.clip_novelty?.data[0];
  return decide(facts, Array.from(found.probabilities.data), levelDb(samples, settings), novelty);
}

/** Mono samples in [-1, 1]. */
function readWav(path, rate, channel) {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const name = (at) => utf8.decode(bytes.subarray(at, at + 4));
  if (name(0) !== "RIFF" || name(8) !== "WAVE") fail(`${path}: not a WAV file; ${convert(path, rate)}`);
  let format = null;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (name(at) === "fmt ") {
      const kind = view.getUint16(at + 8, true);
      format = {
        // The extensible form has the kind at the start of its GUID.
        kind: kind === 0xfffe ? view.getUint16(at + 32, true) : kind,
        channels: view.getUint16(at + 10, true),
        rate: view.getUint32(at + 12, true),
        bits: view.getUint16(at + 22, true),
      };
    } else if (name(at) === "data" && format) {
      if (format.rate !== rate) fail(`${path}: ${format.rate} Hz instead of ${rate} Hz; ${convert(path, rate)}`);
      const size = Math.min(view.getUint32(at + 4, true), bytes.length - at - 8);
      return mix(new DataView(view.buffer, view.byteOffset + at + 8, size), format, channel, path, rate);
    }
  }
  return fail(`${path}: no sound in it`);
}

function mix(data, { kind, channels, bits }, channel, path, rate) {
  const isFloat = kind === 3 && bits === 32;
  if (!isFloat && !(kind === 1 && bits === 16)) fail(`${path}: ${bits} bits; ${convert(path, rate)}`);
  const width = bits / 8;
  const read = (at) => (isFloat ? data.getFloat32(at, true) : data.getInt16(at, true) / 32768);
  const samples = new Float32Array(Math.floor(data.byteLength / (width * channels)));
  for (let index = 0; index < samples.length; index++) {
    const at = index * channels * width;
    if (channel) {
      samples[index] = read(at + (channel - 1) * width);
    } else {
      let sum = 0;
      for (let one = 0; one < channels; one++) sum += read(at + one * width);
      samples[index] = sum / channels;
    }
  }
  return samples;
}

/** Level of the loudest frame in dB of full scale, by which the model knows silence. */
function levelDb(samples, { win_length: size, hop_length: hop }) {
  const squares = Float64Array.from({ length: size }, (_, n) => (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size)) ** 2);
  const total = squares.reduce((sum, one) => sum + one, 0);
  let loudest = 0;
  for (let center = 0; center <= samples.length; center += hop) {
    let sum = 0;
    for (let n = 0; n < size; n++) sum += squares[n] * (samples[center - size / 2 + n] ?? 0) ** 2;
    loudest = Math.max(loudest, sum / total);
  }
  return 10 * Math.log10(Math.max(loudest, 1e-20));
}

/** The label, or why there is none. */
function decide(facts, probabilities, levelDb, novelty) {
  const read = (key) => JSON.parse(facts[key]);
  const labels = read("labels");
  const thresholds = read("thresholds");
  const isSilent = levelDb < read("silence_db");
  const silenceLabel = read("silence_label");
  if (isSilent && silenceLabel !== null) probabilities = labels.map((one) => Number(one === silenceLabel));
  let chosen;
  if (facts.task === "binary") chosen = [Number(probabilities[1] >= thresholds[0])];
  else if (facts.task === "multi_class") chosen = [probabilities.indexOf(Math.max(...probabilities))];
  else chosen = labels.map((_, index) => index).filter((index) => probabilities[index] >= thresholds[index]);
  const kept = chosen.filter((index) => probabilities[index] >= read("min_probability")).map((index) => labels[index]);
  const maxNovelty = read("max_novelty");
  let abstained;
  if (isSilent && silenceLabel === null) abstained = "silence";
  else if (novelty !== undefined && maxNovelty !== null && novelty > maxNovelty && !isSilent) abstained = "unlike_training";
  else if (chosen.length && !kept.length) abstained = "unsure";
  else if (kept.includes(read("background_label"))) abstained = "background";
  return {
    label: abstained ? null : kept.join(";"),
    probabilities: Object.fromEntries(labels.map((label, index) => [label, probabilities[index]])),
    ...(abstained ? { abstained } : {}),
  };
}

/** The metadata of an ONNX file, which onnxruntime-node does not show: field 14 of the model. */
function readMetadata(bytes) {
  const facts = {};
  for (const [field, content] of fields(bytes)) {
    if (field !== 14) continue;
    const entry = Object.fromEntries([...fields(content)].map(([number, text]) => [number, utf8.decode(text)]));
    facts[entry[1]] = entry[2] ?? "";
  }
  return facts;
}

/** The fields of a protocol buffer that have a length, with their numbers. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const type = tag % 8;
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(at, at + length)];
      at += length;
    }
  }
}

const convert = (path, rate) => `convert it: ffmpeg -i ${path} -ar ${rate} -c:a pcm_s16le out.wav`;

function fail(message) {
  console.error(message);
  process.exit(1);
}

await main(...process.argv.slice(2));
