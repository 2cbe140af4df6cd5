"""The terminal: lines and bars on standard error, tables on standard output."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

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

from earmark.progress import SilentTask, Task


class _BarTask:
    def __init__(self, progress: Progress, task_id: TaskID) -> None:
        self._progress = progress
        self._task_id = task_id

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._progress.update(self._task_id, advance=steps, note=note)


class TerminalReporter:
    """Lines and bars on standard error.

    Args:
        quiet: Show warnings only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._quiet = quiet

    def info(self, message: str) -> None:
        """Shows one line, unless quiet."""
        if not self._quiet:
            self._console.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Shows one line in yellow, quiet or not."""
        self._console.print(message, style="yellow", markup=False)

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Task]:
        """Shows a bar on a terminal, and nothing elsewhere, so that logs stay readable."""
        if self._quiet or not self._console.is_terminal:
            yield SilentTask()
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
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
    cells = [[str(cell) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", show_edge=False)
    for index, heading in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in cells)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    # A pipe has no width: what reads it should find whole cells.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(highlight=False, width=width).print(table, markup=False)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").replace("%", "").strip(" -").isdigit()
