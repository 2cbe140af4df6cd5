// Clips that sound like the one that is shown.

import { byId, element } from "./shared/elements.js";
import { seconds } from "./text.js";

/** Lists the clips that are similar to a clip, each with a button that plays it. */
export async function showSimilar(page, clip) {
  const section = byId("similar");
  section.hidden = true;
  if (!page.queue.has_similar) return;
  const found = await page.backend.similar(clip).catch(() => []);
  if (clip !== page.clip) return;
  section.hidden = !found.length;
  byId("similar-list").replaceChildren(...found.map((one) => row(page, one)));
}

function row(page, one) {
  const play = element("button", { type: "button", ariaLabel: `Play ${one.name} at ${seconds(one.start)}` }, "▶");
  play.onclick = () => page.player.playOther(page.backend.windowSound(one.row));
  const parts = [play, element("span", {}, `${one.name}, ${seconds(one.start)}`)];
  parts.push(element("span", { className: "quiet" }, `cosine ${one.cosine.toFixed(3)}`));
  if (one.label) parts.push(element("span", { className: "chip" }, one.label));
  const clip = page.byKey.get(one.clip);
  if (clip) {
    const go = element("button", { type: "button" }, "Go there");
    go.onclick = () => page.show(clip, true);
    parts.push(go);
  }
  return element("li", {}, ...parts);
}
