// What the page says about the model.

import { render } from "./markdown.js";
import { byId, colorOf, element } from "./text.js";

const TASKS = {
  binary: "one of two labels",
  multi_class: "one of many labels",
  multi_label: "any number of labels",
};

const number = (value) => Number(value.toFixed(3));

export function showModel(model) {
  document.title = `${model.name}: sound classifier`;
  byId("title").textContent = model.name;
  const chips = model.labels.map((label, index) =>
    element("li", { className: "chip", "--color": colorOf(index) }, label),
  );
  byId("labels").replaceChildren(...chips);
  const { features } = model;
  const top = features.f_max ?? features.sample_rate / 2;
  const facts = {
    Decides: TASKS[model.task],
    Window: `${number(model.window_seconds)} s, ${features.n_mels} mel bands from ${features.f_min} to ${top} Hz`,
    "Sample rate": `${features.sample_rate} Hz; other rates are resampled`,
    Thresholds: model.thresholds.length ? model.thresholds.map(number).join(", ") : "the most probable label",
    Silence: `below ${model.silence_db} dB of full scale`,
    "Shortest segment": `${model.min_segment_seconds} s`,
    Licence: model.licence,
    "Exported by": `earmark ${model.earmark_version}`,
  };
  const items = Object.entries(facts).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  byId("facts").replaceChildren(...items);
  byId("footer").textContent = `Made with earmark ${model.earmark_version}. The sound stays on this device.`;
}

export async function showCard() {
  const response = await fetch("model_card.md");
  const text = response.ok ? await response.text() : "";
  if (!text.trim()) return;
  byId("card-text").replaceChildren(...render(text));
  byId("card").hidden = false;
}
