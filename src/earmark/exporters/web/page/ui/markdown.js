// A little Markdown: headings, paragraphs, lists, tables, code and emphasis. Text stays text.

import { element } from "./text.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]*\)/g;

function inline(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(from, match.index));
    const [, code, strong, link] = match;
    if (code) parts.push(element("code", {}, code));
    else if (strong) parts.push(element("strong", {}, strong));
    else parts.push(link);
    from = match.index + match[0].length;
  }
  return [...parts, text.slice(from)];
}

const cellsOf = (line) => line.replace(/^\s*\||\|\s*$/g, "").split("|").map((one) => one.trim());

function table(lines) {
  const [head, , ...rows] = lines.map(cellsOf);
  // A heading without text is an ordinary cell.
  const row = (name, cells) =>
    element("tr", {}, ...cells.map((one) => element(one ? name : "td", {}, ...inline(one))));
  return element(
    "table",
    {},
    ...(head.some(Boolean) ? [element("thead", {}, row("th", head))] : []),
    element("tbody", {}, ...rows.map((cells) => row("td", cells))),
  );
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    if (/^[-*] /.test(line)) items.push(line.slice(2));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return element("ul", {}, ...items.map((one) => element("li", {}, ...inline(one))));
}

/** The elements of a text. */
export function render(text) {
  const body = text.replace(/^---\n[\s\S]*?\n---\n/, "");
  const blocks = body.replaceAll("\r", "").split(/\n{2,}|\n(?=#)/);
  return blocks.filter((one) => one.trim()).map((block) => {
    const lines = block.trim().split("\n");
    const heading = /^(#+)\s+(.*)/.exec(lines[0]);
    if (heading && lines.length === 1) {
      const level = Math.min(6, heading[1].length + 2);
      return element(`h${level}`, {}, ...inline(heading[2]));
    }
    if (lines.length > 1 && /^\s*\|?[\s:|-]+\|?\s*$/.test(lines[1])) return table(lines);
    if (/^[-*] /.test(lines[0])) return list(lines);
    return element("p", {}, ...inline(lines.join(" ")));
  });
}
