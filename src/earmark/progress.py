"""What a person sees while work goes on: lines and progress bars, on standard error.

The library is silent unless it is given a `Reporter`; the command line gives it a `RichReporter`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work with a known number of steps."""

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Counts steps as done and shows a note beside the bar."""


class Reporter(Protocol):
    """Where messages and progress go."""

    def info(self, message: str) -> None:
        """Shows one line."""

    def warn(self, message: str) -> None:
        """Shows one line that the user should act on; it is shown even with ``--quiet``."""

    @contextmanager
    def track(self, title: str, total: float) -> Iterator[Task]:
        """Shows a bar with time left until the context ends."""
        ...


class _SilentTask:
    def advance(self, steps: float = 1, note: str = "") -> None:
        pass


class SilentReporter:
    """Shows nothing: the default of the library."""

    def info(self, message: str) -> None:
        """Drops the line."""

    def warn(self, message: str) -> None:
        """Drops the line; what went wrong is in the result as well."""

    @contextmanager
    def track(self, title: str, total: float) -> Iterator[Task]:
        """Shows nothing."""
        yield _SilentTask()


class RichReporter:
    """Lines and bars on standard error.

    Args:
        quiet: Show warnings only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._quiet = quiet

    def info(self, message: str) -> None:
        """Shows one line, unless quiet."""
        if not self._quiet:
            self._console.print(message, markup=False)

    def warn(self, message: str) -> None:
        """Shows one line in yellow."""
        self._console.print(message, style="yellow", markup=False)

    @contextmanager
    def track(self, title: str, total: float) -> Iterator[Task]:
        """Shows a bar on a terminal; elsewhere nothing, so that logs stay readable."""
        if self._quiet or not self._console.is_terminal:
            yield _SilentTask()
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task_id = progress.add_task(title, total=total, note="")

            class BarTask:
                def advance(self, steps: float = 1, note: str = "") -> None:
                    progress.update(task_id, advance=steps, note=note)

            yield BarTask()
