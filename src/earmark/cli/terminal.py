"""The terminal: messages and bars on standard error, tables on standard output."""

import json
import logging
import os
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import click

from earmark.system.progress import SilentTask, Task

if TYPE_CHECKING:
    # Imported when a bar or a table is shown: it takes as long as all else of a command's start.
    from rich.progress import Progress, TaskID

USUAL_WIDTH = 80
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


@runtime_checkable
class Stream(Protocol):
    """What may be a terminal."""

    def isatty(self) -> bool:
        """Whether it is."""
        ...

    def fileno(self) -> int:
        """Its descriptor."""
        ...


def terminal_width(stream: Stream) -> int:
    """The columns of the terminal behind a stream, or `USUAL_WIDTH` if they are unknown.

    Not from shutil or rich, which look at the descriptors 0 to 2 of the process.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        return int(columns) or USUAL_WIDTH
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    except (OSError, ValueError):
        return USUAL_WIDTH


def wrap(text: str, stream: Stream) -> str:
    """Text broken between words for the terminal behind a stream; as it is for any other.

    A word that is longer than a line, such as a path, stays whole.
    """
    if not stream.isatty():
        return text
    wrapper = textwrap.TextWrapper(
        terminal_width(stream), break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapper.fill(line) for line in text.split("\n"))


def print_line(text: str, *, err: bool = False) -> None:
    """Prints a line for people, with names in it as `printable` shows them, broken between words.

    Args:
        text: The line.
        err: Print on standard error.
    """
    click.echo(wrap(printable(text), sys.stderr if err else sys.stdout), err=err)


def print_json(document: Any) -> None:
    """Prints a document on one line; a number that is not finite is a bug, and no JSON."""
    click.echo(json.dumps(document, allow_nan=False))


class _BarTask:
    def __init__(self, progress: "Progress", task_id: "TaskID") -> None:
        self._progress = progress
        self._task_id = task_id
        self._sound_seconds = 0.0
        self._lock = threading.Lock()

    def add_sound(self, seconds: float) -> None:
        with self._lock:
            self._sound_seconds += seconds
            shown = timedelta(seconds=int(self._sound_seconds))
            self._progress.update(self._task_id, sound=f"{shown} of sound")

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task_id, advance=steps, note=printable(note))


class _MessageHandler(logging.Handler):
    """Writes a line for each message, above the bar if one is shown; warnings are yellow."""

    bar: "Progress | None" = None

    def emit(self, record: logging.LogRecord) -> None:
        text = printable(record.getMessage())
        color = "yellow" if record.levelno >= logging.WARNING else None
        if self.bar:
            self.bar.console.print(wrap(text, sys.stderr), style=color, markup=False)
        else:
            click.secho(wrap(text, sys.stderr), fg=color, err=True)


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
                yield _BarTask(bar, bar.add_task(title, total=total, note="", sound=""))
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
        TextColumn("{task.fields[sound]}", markup=False),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(
        stderr=True,
        highlight=False,
        soft_wrap=True,
        emoji=False,
        width=terminal_width(sys.stderr),
    )
    return Progress(*columns, console=console, transient=True)


PIPE_WIDTH = 10_000
FEWEST_COLUMNS = 3
"""What a column of a table keeps on the narrowest terminal."""


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
    # A pipe has no width: the program that reads it should find whole cells.
    width = terminal_width(sys.stdout) if sys.stdout.isatty() else PIPE_WIDTH
    widths = _fit_columns([columns, *cells], width)
    for index, heading in enumerate(columns):
        shown = [row[index] for row in cells if row[index] != "-"]
        numeric = bool(shown) and all(map(_is_number, shown))
        justify: Literal["right", "left"] = "right" if numeric else "left"
        table.add_column(heading, justify=justify, overflow="fold", width=widths[index])
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console(highlight=False, emoji=False, width=width)
    with console.capture() as text:
        console.print(table, markup=False)
    # Not by the console: it would exit with its own status when the reader has closed the pipe.
    click.echo(text.get(), nl=False)


def _fit_columns(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths of the columns of a table, in which words are broken only if there is no other way.

    While the table is too wide, the widest column that can be broken between words gives way; then
    the widest of all, which is that of the paths.
    """
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    words = [
        max(cell_len(word) for cell in column for word in cell.split(" ")) for column in columns
    ]
    # A space on both sides of each column, and a line between two.
    room = width - 3 * len(widths) + 1
    while sum(widths) > room and max(widths) > FEWEST_COLUMNS:
        breakable = [i for i, wide in enumerate(widths) if wide > max(words[i], FEWEST_COLUMNS)]
        widest = max(breakable or range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").strip(" -").isdigit()
