// The list of clips: sorted, filtered, and linked to by the address.

import { byId, element } from "./shared/elements.js";
import { answerText, placeText, statusOf } from "./text.js";

const MAX_ROWS = 300;
const ANY = "";
const NONE = "(none)";
const STATUSES = { open: "open", labelled: "labelled", unsure: "unsure", skipped: "skipped", conflict: "in conflict" };
const low = (value) => value ?? Infinity;
const SORTS = {
  queue: ["order of the queue", () => 0],
  score: ["highest score", (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity)],
  unsure: ["least probable", (a, b) => low(a.probability) - low(b.probability)],
  sure: ["most probable", (a, b) => (b.probability ?? -1) - (a.probability ?? -1)],
  name: ["name", (a, b) => a.name.localeCompare(b.name) || a.start - b.start],
  label: ["label", (a, b) => a.label.localeCompare(b.label)],
};
const FIELDS = { sort: "sort", status: "filter-status", label: "filter-label", predicted: "filter-predicted", text: "filter-text" };

export class List {
  /** `show` is called with the clip that is chosen. */
  constructor(clips, show) {
    Object.assign(this, { clips, show });
    this.order = [];
    this.current = null;
    this.#fill();
    for (const id of Object.values(FIELDS)) byId(id).oninput = () => this.filter();
    byId("filter-none").onclick = () => this.#showAll();
    addEventListener("hashchange", () => this.readAddress());
  }

  #fill() {
    const options = (id, pairs) =>
      byId(id).replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
    const named = (values) => [...new Set(values)].sort().map((one) => [one || NONE, one || "none"]);
    options("sort", Object.entries(SORTS).map(([key, [text]]) => [key, text]));
    options("filter-status", [[ANY, "any"], ...Object.entries(STATUSES)]);
    options("filter-label", [[ANY, "any"], ...named(this.clips.map((one) => one.label))]);
    options("filter-predicted", [[ANY, "any"], ...named(this.clips.map((one) => one.predicted))]);
  }

  /** Filters by what the address says: #label=dog&predicted=cat. */
  readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [name, id] of Object.entries(FIELDS)) {
      const field = byId(id);
      field.value = asked.get(name) ?? (name === "sort" ? "queue" : ANY);
      if (field.selectedIndex === -1) field.selectedIndex = 0;
    }
    byId("filters").open = [...asked.keys()].some((one) => one in FIELDS);
    this.filter(asked.get("clip"));
  }

  #showAll() {
    for (const id of Object.values(FIELDS)) byId(id).value = id === "sort" ? "queue" : ANY;
    this.filter();
  }

  /** Makes the list anew; shows the clip with the key, else stays where it is, else starts. */
  filter(key = null) {
    const wanted = Object.fromEntries(Object.entries(FIELDS).map(([name, id]) => [name, byId(id).value]));
    this.order = this.clips.filter((one) => fits(one, wanted));
    this.order.sort(SORTS[wanted.sort][1]);
    this.#writeAddress(wanted);
    const asked = this.order.find((one) => one.key === key);
    const open = this.order.find((one) => statusOf(one) === "open");
    if (asked || !this.order.includes(this.current)) this.show(asked ?? open ?? this.order[0] ?? null);
    this.render();
  }

  #writeAddress(wanted) {
    const entries = Object.entries(wanted).filter(([name, value]) => value && !(name === "sort" && value === "queue"));
    const hash = new URLSearchParams(entries).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  /** The clip some steps away in the list; null beyond its ends. */
  step(by) {
    return this.order[this.order.indexOf(this.current) + by] ?? null;
  }

  /** The next clip without an answer, from the current one on and then from the start. */
  nextOpen() {
    const at = this.order.indexOf(this.current) + 1;
    const around = [...this.order.slice(at), ...this.order.slice(0, at)];
    return around.find((one) => one !== this.current && statusOf(one) === "open") ?? null;
  }

  setCurrent(clip) {
    this.current = clip;
    this.render();
  }

  render() {
    const at = Math.max(0, this.order.indexOf(this.current));
    const first = Math.max(0, Math.min(at - MAX_ROWS / 2, this.order.length - MAX_ROWS));
    const shown = this.order.slice(first, first + MAX_ROWS);
    byId("list").start = first + 1;
    byId("list").replaceChildren(...shown.map((one) => this.#row(one)));
    const part = shown.length < this.order.length ? `, of which ${shown.length} are listed` : "";
    const all = this.clips.length === this.order.length ? "" : ` of ${this.clips.length}`;
    byId("list-count").textContent = `${this.order.length}${all} clips${part}`;
    this.#scroll();
  }

  /** Brings the current clip into the list's own view; the page stays where it is. */
  #scroll() {
    const list = byId("list");
    const row = list.querySelector("[aria-current]")?.parentElement;
    if (!row) return;
    const above = row.offsetTop - list.scrollTop;
    const below = above + row.offsetHeight - list.clientHeight;
    if (above < 0) list.scrollTop += above;
    else if (below > 0) list.scrollTop += below;
  }

  #row(clip) {
    const isCurrent = clip === this.current;
    const status = statusOf(clip);
    const mark = status === "conflict" ? "conflict" : answerText(clip.answer);
    const facts = [placeText(clip), clip.label && `given ${clip.label}`, clip.predicted && `model ${clip.predicted}`];
    const button = element(
      "button",
      { type: "button" },
      element("span", {}, clip.name),
      element("span", { className: status === "conflict" ? "mark bad" : "mark" }, mark),
      element("small", {}, facts.filter(Boolean).join(" · ")),
    );
    if (isCurrent) button.setAttribute("aria-current", "true");
    button.onclick = () => this.show(clip, true);
    return element("li", {}, button);
  }
}

function fits(clip, { status, label, predicted, text }) {
  const is = (wanted, value) => wanted === ANY || wanted === (value || NONE);
  const words = `${clip.name} ${clip.reason}`.toLowerCase();
  return (
    is(status, statusOf(clip)) && is(label, clip.label) && is(predicted, clip.predicted) && words.includes(text.toLowerCase())
  );
}
