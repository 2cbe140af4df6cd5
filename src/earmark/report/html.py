"""One HTML page that opens from disk without a network, and its parts."""

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from earmark.figures import to_svg
from earmark.system.files import atomic_write

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #16181d; --card: #f4f5f7;
  --line: #d5d8dd; --quiet: #5c6470; --link: #1f5fb8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e8eaed; --card: #23262b; --line: #3a3f47; --quiet: #a0a8b4;
    --link: #8ab8f5; }
}
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --card: #f4f5f7;
  --line: #bbb; --quiet: #444; --link: #000; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word; }
a { color: var(--link); }
h1 { margin-bottom: 0; line-height: 1.2; }
h1, li { overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { margin: 1.5rem 0 .5rem; }
h4 { margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { max-width: 44rem; }
.quiet { color: var(--quiet); overflow-wrap: anywhere; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
.headline { background: var(--card); border-radius: .5rem; padding: 1rem 1.5rem; }
.headline strong { font-size: 2.5rem; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .95rem; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { vertical-align: bottom; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td:first-child { overflow-wrap: anywhere; min-width: 8rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
figure { margin: 0; padding: .5rem; background: var(--card); border-radius: .5rem;
  max-width: 100%; width: fit-content; box-sizing: border-box; }
figure svg { max-width: 100%; height: auto; display: block; }
figure svg text { fill: currentColor; }
figcaption { color: var(--quiet); font-size: .9rem; max-width: 36rem; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr));
  gap: 1rem; }
.clip { background: var(--card); border-radius: .5rem; padding: 1rem; min-width: 0; }
.clip p { margin: .25rem 0 .5rem; }
.clip figure { padding: 0; }
.clip audio { width: 100%; height: 2.5rem; }
pre { background: var(--card); padding: 1rem; overflow-x: auto; border-radius: .5rem; }
@media (max-width: 30rem) {
  body { padding: .75rem; }
  .headline { padding: 1rem; }
  th, td { padding: .3rem .5rem; }
}
@media print {
  nav, audio, details { display: none; }
  body { font-size: 10pt; padding: 0; max-width: none; }
  .table { overflow: visible; }
  table { font-size: 8.5pt; }
  th, td, td.number { padding: .2rem .4rem; white-space: normal; }
  figure, .clip, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


def render_page(title: str, sections: Sequence[str]) -> str:
    """A whole page.

    Args:
        title: Of the browser's tab, as text.
        sections: What the page holds, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def write_page(path: Path, text: str) -> None:
    """Writes a page whole. It must be UTF-8, and the name of a file in it need not be."""
    atomic_write(path, text.encode(errors="backslashreplace"))


def html_contents(titles: Sequence[str]) -> str:
    """A table of contents that leads to the headings of `html_heading`."""
    items = "".join(f'<li><a href="#{_anchor(title)}">{escape(title)}</a></li>' for title in titles)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def html_heading(title: str) -> str:
    """The heading of a section, which `html_contents` leads to."""
    return f'<h2 id="{_anchor(title)}">{escape(title)}</h2>'


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower())


def html_figure(figure: Any, caption: str, alternative: str | None = None) -> str:
    """A picture and what it shows.

    Args:
        figure: Drawn by matplotlib.
        caption: Below it, as text.
        alternative: What is read aloud instead of the picture; the caption when it is not given.
    """
    label = escape(alternative or caption)
    picture = to_svg(figure).replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def html_player(mp3: bytes, label: str) -> str:
    """A player of an MP3 file that lies within the page.

    Args:
        mp3: The file.
        label: What is read aloud of the player.
    """
    content = base64.b64encode(mp3).decode()
    return (
        f'<audio controls preload="metadata" aria-label="{escape(label)}" '
        f'src="data:audio/mpeg;base64,{content}"></audio>'
    )


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts and numbers; columns of numbers are set to the right."""
    numeric = [all(_is_number(str(row[index])) for row in rows) for index in range(len(columns))]
    kinds = [' class="number"' if one else "" for one in numeric]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    # Whoever has no mouse scrolls what has the focus.
    return f'<div class="table" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?%?", text) is not None
