"""Escaped HTML for notebooks, which show a result by its ``_repr_html_``."""

from collections.abc import Iterable, Sequence
from html import escape


def html_lines(text: str) -> str:
    """Each line of a text as a paragraph.

    Example:
        >>> html_lines("R&B")
        '<p>R&amp;B</p>'
    """
    return "".join(f"<p>{escape(line)}</p>" for line in text.splitlines())


def html_table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table.

    Args:
        columns: The headings.
        rows: The cells, of any type; they are escaped.

    Example:
        >>> html_table(["label"], [["R&B"]])
        '<table><tr><th>label</th></tr><tr><td>R&amp;B</td></tr></table>'
    """
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in columns)
    body = (f"<td>{'</td><td>'.join(escape(str(cell)) for cell in row)}</td>" for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{cells}</tr>' for cells in body)}</table>"
