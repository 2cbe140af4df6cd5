// Files from a dialogue, a folder, or dropped.

import { byId } from "./text.js";

const SOUND = /\.(wav|wave|flac|mp3|og[ga]|opus|m4a|aac|mp4|webm|weba|aiff?|caf|w64|rf64|bwf)$/i;

/** A file, and its path below the folder that was chosen. */
const named = (file, path = file.webkitRelativePath || file.name) => ({ file, path });

function readEntries(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

async function filesOf(entry, path = "") {
  const name = `${path}${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [named(file, name)];
  }
  const reader = entry.createReader();
  const found = [];
  for (let part = await readEntries(reader); part.length; part = await readEntries(reader)) {
    for (const one of part) found.push(...(await filesOf(one, `${name}/`)));
  }
  return found.filter(({ file }) => SOUND.test(file.name) && !file.name.startsWith("."));
}

/** The files that were dropped, those in folders too. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => named(file));
  const found = [];
  for (const entry of entries) found.push(...(await filesOf(entry)));
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function hasFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

/** Calls `take` with the files that the user chooses or drops. */
export function listenForFiles(take) {
  const [files, folder] = [byId("files"), byId("folder")];
  byId("choose-files").onclick = () => files.click();
  byId("choose-folder").onclick = () => folder.click();
  files.onchange = () => {
    take([...files.files].map((file) => named(file)));
    files.value = "";
  };
  folder.onchange = () => {
    const all = [...folder.files].map((file) => named(file));
    take(all.filter(({ file }) => SOUND.test(file.name) && !file.name.startsWith(".")));
    folder.value = "";
  };
  const shade = byId("drop-shade");
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (hasFiles(event)) shade.hidden = ++depth === 0;
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event)) shade.hidden = --depth <= 0;
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    depth = 0;
    shade.hidden = true;
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    take(await dropped(event.dataTransfer));
  });
}
