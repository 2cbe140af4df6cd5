// Computes with the modules of the page what a test asks for: the folder of the page, then a file
// of requests, each a name and arguments. Prints the answers as JSON.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [page, requests] = process.argv.slice(2);
const load = (name) => import(`${pathToFileURL(page)}/${name}`);
const { Fft } = await load("dsp/fft.js");
const { LogMel } = await load("dsp/log_mel.js");
const { Resampler } = await load("dsp/resample.js");
const { WindowCutter, cutMiddle } = await load("dsp/windows.js");
const { decide, pool } = await load("decide/rule.js");
const { findSegments } = await load("decide/segments.js");
const { openWav } = await load("decode/wav.js");
const { train } = await load("learn/training.js");
const { fit, fitTemperature, heldOutLogits } = await load("learn/softmax.js");
const { FORMATS, resultsCsv } = await load("ui/downloads.js");

const flat = (parts) => parts.flatMap((one) => Array.from(one));

function* cut(values, size) {
  for (let at = 0; at < values.length; at += size) {
    yield Float32Array.from(values.slice(at, at + size));
  }
}

const answers = {
  fft({ re, im }) {
    const parts = [Float64Array.from(re), Float64Array.from(im)];
    new Fft(re.length).forward(...parts);
    return parts.map((one) => Array.from(one));
  },
  resample({ samples, inRate, outRate, size }) {
    const resampler = new Resampler(inRate, outRate);
    const parts = [...cut(samples, size)].map((one) => resampler.add(one));
    return flat([...parts, resampler.finish()]);
  },
  logMel({ samples, features, size }) {
    const logMel = new LogMel(features);
    const groups = [...cut(samples, size)].map((one) => logMel.add(one));
    groups.push(logMel.finish());
    return { values: flat(groups.map((one) => one.values)), levels: flat(groups.map((one) => one.levels)) };
  },
  windows({ numFrames, mels, length, step, size, fraction }) {
    const cutter = new WindowCutter(mels, length, step);
    const found = [];
    for (let first = 0; first < numFrames; first += size) {
      const count = Math.min(size, numFrames - first);
      const values = Float32Array.from({ length: count * mels }, (_, at) => first * mels + at);
      const levels = Float64Array.from({ length: count }, (_, at) => first + at);
      found.push(...cutter.add({ values, levels, count }));
    }
    found.push(...cutter.finish());
    return found.map((one) => ({
      ...{ start: one.start, end: one.end, data: flat([one.data]), level: Math.max(...one.levels) },
      middle: flat([cutMiddle(one, fraction).data]),
    }));
  },
  decide: ({ model, logits, levelDb, novelty }) =>
    decide(model, logits, levelDb, novelty, model.max_novelty),
  pool: ({ model, rows }) => pool(model, rows),
  segments: ({ model, windows, duration }) => findSegments(model, windows, duration),
  async wav({ path }) {
    const sound = await openWav(new Blob([readFileSync(path)]));
    const blocks = [];
    for await (const block of sound.blocks()) blocks.push(block);
    const channels = blocks[0].map((_, index) => flat(blocks.map((one) => one[index])));
    return { rate: sound.rate, seconds: sound.seconds, channels };
  },
  async damagedWav({ bytes }) {
    return openWav(new Blob([Uint8Array.from(bytes)])).catch((error) => error.constructor.name);
  },
  fit: ({ examples, numLabels }) => fit(examples, numLabels),
  heldOut: ({ examples, numLabels }) => heldOutLogits(examples, numLabels),
  temperature: ({ task, logits, labels }) => fitTemperature(task, logits, labels),
  train({ graph, model, output, ...lesson }) {
    const state = { graph: new Uint8Array(readFileSync(graph)), model };
    const { content, ...answer } = train(state, lesson);
    writeFileSync(output, content);
    return answer;
  },
  results: ({ tracks, labels }) => resultsCsv(tracks, labels),
  format: ({ name, track }) => FORMATS[name].render(track),
};

const found = [];
for (const [name, args] of JSON.parse(readFileSync(requests, "utf8"))) {
  found.push(await answers[name](args));
}
console.log(JSON.stringify(found));
