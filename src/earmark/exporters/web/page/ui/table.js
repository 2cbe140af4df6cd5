// The table of files.

import { resultsCsv, save } from "./downloads.js";
import { byId, colorOf, decisionText, duration, element, percent } from "./text.js";

const MAX_BARS = 3;

export class Table {
  /** `show` gets the track that the user selects; `clear` removes all. */
  constructor(model, { show, clear }) {
    Object.assign(this, { model, show });
    this.rows = new Map();
    this.clear = clear;
    byId("download-all").onclick = () => {
      save(resultsCsv([...this.rows.keys()], this.model.labels), "results.csv", "text/csv");
    };
    byId("clear").onclick = () => {
      this.removeAll();
      byId("choose-files").focus();
    };
  }

  removeAll() {
    this.rows.clear();
    byId("table").tBodies[0].replaceChildren();
    byId("results").hidden = true;
    this.clear();
  }

  add(track) {
    const name = element("button", { type: "button", className: "link" }, track.path);
    name.onclick = () => this.show(track);
    const cells = ["label", "values", "length"].map(() => element("td"));
    cells[2].className = "number";
    const row = element("tr", {}, element("td", {}, name), ...cells);
    this.rows.set(track, { row, name, cells });
    byId("table").tBodies[0].append(row);
    byId("results").hidden = false;
    this.update(track);
  }

  select(track) {
    for (const [one, { row, name }] of this.rows) {
      row.classList.toggle("selected", one === track);
      if (one === track) name.setAttribute("aria-current", "true");
      else name.removeAttribute("aria-current");
    }
  }

  update(track) {
    const found = this.rows.get(track);
    if (!found) return;
    const [label, values, length] = found.cells;
    label.className = track.status === "failed" ? "bad" : "";
    label.textContent = this.#text(track);
    length.textContent = track.shownSeconds > 1 || track.result ? duration(track.shownSeconds) : "";
    if (track.result) values.replaceChildren(this.#bars(track.result));
    else if (track.status === "running") {
      const part = Math.min(1, track.seconds / track.shownSeconds);
      const bar = element("div", { className: "progress", "--value": String(part) }, element("i"));
      values.replaceChildren(bar);
    } else values.replaceChildren();
  }

  #text(track) {
    if (track.status === "failed") return track.message;
    if (track.result) return decisionText(track.result);
    if (track.isLive) return "Listening";
    return track.status === "running" ? "Working" : "Waiting";
  }

  /** The most probable labels. */
  #bars(result) {
    const order = this.model.labels
      .map((label, index) => ({ label, index, value: result.probabilities[label] }))
      .sort((a, b) => b.value - a.value)
      .slice(0, MAX_BARS);
    const bars = order.map(({ index, value }) =>
      element(
        "span",
        { className: "bar", "--value": String(value), "--color": colorOf(index) },
        element("i"),
      ),
    );
    const spoken = order.map(({ label, value }) => `${label} ${percent(value)}`).join(", ");
    return element("div", { className: "mini", role: "img", ariaLabel: spoken, title: spoken }, ...bars);
  }
}
