// Results as files, with the columns and numbers of `earmark predict`.

import { element } from "./text.js";

/** A number as Python writes it. */
export function pythonFloat(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return value.toFixed(1);
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** A cell of a CSV table, quoted where it must be. */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "number" ? pythonFloat(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const lines = (rows) => rows.map((row) => `${row.map(cell).join(",")}\n`).join("");

/** A row per file, as `earmark predict -o results.csv` writes it. */
export function resultsCsv(tracks, labels) {
  const names = labels.map((label) => `probability_${label}`);
  const columns = ["path", "label", "abstained", "novelty", ...names, "duration_seconds", "error"];
  const rows = tracks.map(({ path, result, message }) => {
    const probabilities = labels.map((label) => result?.probabilities[label]);
    const label = result && !labelIsMissing(result) ? result.labels.join(";") : null;
    const known = [path, label, result?.abstained, result?.novelty, ...probabilities];
    return [...known, result?.duration_seconds, message || null];
  });
  return lines([columns, ...rows]);
}

const labelIsMissing = (result) => result.abstained !== null;

/** The formats of `earmark predict --segments-format`: suffix, type and text. */
export const FORMATS = {
  csv: {
    suffix: ".csv",
    type: "text/csv",
    render: ({ result }) => {
      const rows = result.segments.map((one) => [
        ...[one.start, one.end, one.label],
        one.probability.toFixed(4),
      ]);
      return lines([["start", "end", "label", "probability"], ...rows]);
    },
  },
  audacity: {
    suffix: ".txt",
    type: "text/plain",
    render: ({ result }) =>
      result.segments
        .map((one) => {
          const label = one.label.trim().split(/\s+/).join(" ");
          return `${one.start.toFixed(6)}\t${one.end.toFixed(6)}\t${label}\n`;
        })
        .join(""),
  },
  json: {
    suffix: ".json",
    type: "application/json",
    render: ({ path, result, model }) => {
      const lanes = model.task === "multi_label" ? model.labels : [];
      const { duration_seconds, segments } = result;
      return `${JSON.stringify({ path, duration_seconds, lanes, segments }, null, 1)}\n`;
    },
  },
};

/** Has the browser save a file. */
export function save(content, name, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The name of a file without folders and extension. */
export const stem = (path) => path.split("/").pop().replace(/\.[^.]+$/, "");
