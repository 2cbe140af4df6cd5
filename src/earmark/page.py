"""One HTML page that opens from disk without a network, and its parts."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from earmark.files import write_whole
from earmark.plots import to_svg

_STYLE = """
:root { color-scheme: light dark; --card: #f4f5f7; --line: #d5d8dd; --quiet: #5c6470; }
@media (prefers-color-scheme: dark) {
  :root { --card: #23262b; --line: #3a3f47; --quiet: #a0a8b4; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin-bottom: 0; }
h1, li { overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; }
.quiet { color: var(--quiet); }
.headline { background: var(--card); border-radius: .5rem; padding: 1rem 1.5rem; }
.headline strong { font-size: 2.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child { overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
figure { margin: 0; padding: .5rem; background: white; border-radius: .5rem; max-width: 100%;
  box-sizing: border-box; border: 1px solid var(--line); }
figure svg { max-width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .9rem; }
pre { background: var(--card); padding: 1rem; overflow-x: auto; border-radius: .5rem; }
@media print { details { display: none; } figure { break-inside: avoid; } }
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
    write_whole(path, text.encode(errors="backslashreplace"))


def html_figure(figure: Any, caption: str) -> str:
    """A picture and what it shows."""
    return f"<figure>{to_svg(figure)}<figcaption>{escape(caption)}</figcaption></figure>"


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of texts and numbers; columns of numbers are set to the right."""
    numeric = [
        all(str(row[index]).replace(".", "", 1).isdigit() for row in rows)
        for index in range(len(columns))
    ]
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
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'
