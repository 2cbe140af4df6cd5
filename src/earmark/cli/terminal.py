"""The terminal: lines and bars on standard error, tables on standard output."""

import logging
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from earmark.system.progress import SilentTask, Task

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's controls, lone surrogates (bytes that are not UTF-8), line and paragraph separators."""


def printable(text: str) -> str:
    r"""Text on one line, with what a terminal would obey or cannot encode written as an escape.

    Example:
        >>> printable("a\nb")
        'a\\nb'
    """
    return "".join(
        one.encode("unicode_escape").decode() if unicodedata.category(one) in _UNPRINTABLE else one
        for one in text
    )


class _BarTask:
    def __init__(self, progress: Progress, task_id: TaskID) -> None:
        self._progress = progress
        self._task_id = task_id

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task_id, advance=steps, note=printable(note))


class _ConsoleHandler(logging.Handler):
    """A line a message, above the bars; warnings are yellow."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        self._console.print(printable(record.getMessage()), style=style, markup=False)


class TerminalReporter:
    """Messages and bars on standard error.

    Args:
        quiet: Show warnings only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._quiet = quiet

    @contextmanager
    def show_messages(self) -> Iterator[None]:
        """Shows what earmark logs until the context ends: warnings only, if quiet."""
        logger = logging.getLogger("earmark")
        handler, level = _ConsoleHandler(self._console), logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if self._quiet else logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)

    @contextmanager
    def track(self, title: str, total: int | None) -> Iterator[Task]:
        """Shows a bar on a terminal, and nothing elsewhere, so that logs stay readable."""
        if self._quiet or not self._console.is_terminal:
            yield SilentTask()
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield _BarTask(progress, progress.add_task(title, total=total, note=""))


PIPE_WIDTH = 10_000


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table on standard output; a column whose cells are numbers is aligned right.

    Args:
        title: Shown above the table; empty for none.
        columns: The headings.
        rows: One sequence of cells a row.
    """
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", show_edge=False)
    for index, heading in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    # A pipe has no width: what reads it should find whole cells.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    console = Console(highlight=False, emoji=False, width=width)
    with console.capture() as text:
        console.print(table, markup=False)
    # Not by the console: it would end the program with its own status when the reader has gone.
    click.echo(text.get(), nl=False)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").strip(" -").isdigit()
