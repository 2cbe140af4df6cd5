// Asks a service of `earmark serve` about sound files; needs Node 20 or newer and no packages.
// The function runs in a browser, too, for a File that a page got.
//
//     node examples/clients/predict.mjs --url http://127.0.0.1:8000 recordings/*.mp3
//
// A service with a token takes it from the environment variable EARMARK_TOKEN.
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";

const TRIES = 5;

/** The results for some files ({name, blob}), in one request. */
export async function predict(url, files, token) {
  for (let left = TRIES - 1; ; left -= 1) {
    const form = new FormData();
    for (const { name, blob } of files) form.append("file", blob, name);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`${url}/v1/predict`, { method: "POST", body: form, headers });
    const document = await answer.json();
    if (document.results) return document.results;
    if (answer.status !== 429 || left === 0) throw new Error(document.error);
    const seconds = Number(answer.headers.get("Retry-After"));
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

const { values, positionals } = parseArgs({
  options: { url: { type: "string", default: "http://127.0.0.1:8000" } },
  allowPositionals: true,
});
const files = await Promise.all(
  positionals.map(async (path) => ({ name: basename(path), blob: await openAsBlob(path) })),
);
const results = await predict(values.url, files, process.env.EARMARK_TOKEN);
for (const result of results) {
  console.log(`${result.path}\t${result.error ?? (result.labels ?? [result.label]).join(";")}`);
}
process.exitCode = results.some((result) => result.error) ? 1 : 0;
