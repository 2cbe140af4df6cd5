// Numbers and reasons as people read them.

export { byId, clock, colorOf, element, isDark } from "../shared/elements.js";
import { clock } from "../shared/elements.js";

const REASONS = {
  silence: "silence",
  unlike_training: "unlike the training sound",
  unsure: "unsure",
  background: "background",
};

export function duration(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

export const percent = (value) => `${(100 * value).toFixed(value > 0.995 || value < 0.005 ? 1 : 0)}%`;

/** The labels of a result, or why there is none. */
export function decisionText(result) {
  if (result.abstained) return `No label: ${REASONS[result.abstained]}`;
  return result.labels.length ? result.labels.join(", ") : "None of the labels";
}
