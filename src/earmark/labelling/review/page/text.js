// Clips and answers as people read them.

export const seconds = (value) => `${value.toFixed(value < 100 ? 2 : 1)} s`;
export const labelText = (labels) => (labels.length ? labels.join(", ") : "none of the labels");

const VERDICT_TEXT = { unsure: "Unsure", skipped: "Skipped" };

/** What an answer says; nothing if there is none. */
export function answerText(answer) {
  if (!answer) return "";
  return VERDICT_TEXT[answer.verdict] ?? labelText(answer.labels);
}

/** When a clip is in its recording. */
export function placeText({ start, end }) {
  if (end === null) return start ? `from ${seconds(start)}` : "whole file";
  return `${seconds(start)} to ${seconds(end)}`;
}

export function statusOf(clip) {
  if (clip.conflicts.length) return "conflict";
  return clip.answer?.verdict ?? "open";
}

/** A name for an answer that no other has; also where randomUUID is missing, as on pages from disk. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}
