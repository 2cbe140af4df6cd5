// The buttons of the labels, and the field for another one.

import { byId, element } from "./shared/elements.js";

const DIGITS = "1234567890";
const MAX_BUTTONS = 60;

export class LabelButtons {
  /** `choose` gets a label that was pressed or typed. */
  constructor(choose) {
    this.choose = choose;
    this.labels = [];
    byId("other").onsubmit = (event) => {
      event.preventDefault();
      const label = byId("other-label").value.trim();
      if (label) this.choose(label);
      byId("other-label").value = "";
    };
  }

  setLabels(labels) {
    this.labels = labels;
    const options = labels.map((value) => element("option", { value }));
    byId("known-labels").replaceChildren(...options);
  }

  /** Shows which labels are chosen, given and predicted. */
  show(chosen, clip) {
    const given = clip.label.split(";");
    const predicted = clip.predicted.split(";");
    const extra = [...chosen].filter((one) => !this.labels.slice(0, MAX_BUTTONS).includes(one));
    const shown = [...this.labels.slice(0, MAX_BUTTONS), ...extra];
    const buttons = shown.map((label, index) => {
      const marks = [given.includes(label) && "given", predicted.includes(label) && "model"].filter(Boolean);
      const button = element("button", { type: "button" });
      if (index < DIGITS.length && index < this.labels.length) button.append(element("kbd", {}, DIGITS[index]));
      button.append(label);
      if (marks.length) button.append(element("small", {}, `(${marks.join(", ")})`));
      button.setAttribute("aria-pressed", String(chosen.has(label)));
      button.onclick = () => this.choose(label);
      return button;
    });
    byId("choices").replaceChildren(...buttons);
  }

  /** The label of a digit key; undefined if there is none. */
  ofKey(key) {
    const index = DIGITS.indexOf(key);
    return index < 0 ? undefined : this.labels[index];
  }
}
