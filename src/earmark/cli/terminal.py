"""The terminal: messages and bars on standard error, tables on standard output."""

import logging
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from earmark.system.progress import SilentTask, Task

if TYPE_CHECKING:
    # Imported when a bar or a table is shown: it takes as long as all else of a command's start.
    from rich.progress import Progress, TaskID

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's controls, lone surrogates (bytes that are not UTF-8), line and paragraph separators."""
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Characters that turn the direction of the text after them."""


def printable(text: str) -> str:
    r"""Text on one line, its control and undecodable characters escaped.

    Example:
        >>> printable("a\nb")
        'a\\nb'
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if _is_unprintable(one) else one for one in text
    )


def _is_unprintable(one: str) -> bool:
    turns = unicodedata.bidirectional(one) in _TURNING
    return turns or unicodedata.category(one) in _UNPRINTABLE


def print_line(text: str) -> None:
    """Prints a line for people on standard output, with names in it as `printable` shows them."""
    click.echo(printable(text))


class _BarTask:
    def __init__(self, progress: "Progress", task_id: "TaskID") -> None:
        self._progress = progress
        self._task_id = task_id

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task_id, advance=steps, note=printable(note))


class _MessageHandler(logging.Handler):
    """Writes a line for each message, above the bar if one is shown; warnings are yellow."""

    bar: "Progress | None" = None

    def emit(self, record: logging.LogRecord) -> None:
        text = printable(record.getMessage())
        color = "yellow" if record.levelno >= logging.WARNING else None
        if self.bar:
            self.bar.console.print(text, style=color, markup=False)
        else:
            click.secho(text, fg=color, err=True)


class TerminalReporter:
    """Messages and bars on standard error.

    Args:
        quiet: Show warnings only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._handler = _MessageHandler()
        self._quiet = quiet

    @contextmanager
    def show_messages(self) -> Iterator[None]:
        """Shows what earmark logs until the context ends: warnings only, if quiet."""
        logger = logging.getLogger("earmark")
        level = logger.level
        logger.addHandler(self._handler)
        logger.setLevel(logging.WARNING if self._quiet else logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(self._handler)

    @contextmanager
    def track(self, title: str, total: int | None) -> Iterator[Task]:
        """Shows a bar on a terminal, and nothing elsewhere, so that logs stay readable."""
        if self._quiet or not sys.stderr.isatty():
            yield SilentTask()
            return
        with _make_bar() as bar:
            self._handler.bar = bar
            try:
                yield _BarTask(bar, bar.add_task(title, total=total, note=""))
            finally:
                self._handler.bar = None


def _make_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    return Progress(*columns, console=console, transient=True)


PIPE_WIDTH = 10_000


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table on standard output; a column of numbers is aligned right.

    Args:
        title: Shown above the table; empty for none.
        columns: The headings.
        rows: A sequence of cells for each row.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(str(cell)) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", show_edge=False)
    for index, heading in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    # A pipe has no width: the program that reads it should find whole cells.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(highlight=False, emoji=False, width=width)
    with console.capture() as text:
        console.print(table, markup=False)
    # Not by the console: it would exit with its own status when the reader has closed the pipe.
    click.echo(text.get(), nl=False)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").strip(" -").isdigit()
