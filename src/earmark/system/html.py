"""Tables of HTML, for notebooks."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose cells are escaped.

    Args:
        columns: The headings.
        rows: Of as many cells.

    Example:
        >>> html_table(["label"], [["<b>"]])
        '<table><tr><th>label</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
