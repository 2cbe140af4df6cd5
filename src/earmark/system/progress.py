"""Where messages and progress go. The library is silent unless it is given a `Reporter`."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Task(Protocol):
    """One piece of work, of so many steps."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Counts steps as done and shows a note beside the bar."""


@runtime_checkable
class Reporter(Protocol):
    """Shows lines and progress bars to a person."""

    def info(self, message: str) -> None:
        """Shows one line."""

    def warn(self, message: str) -> None:
        """Shows one line that the user should act on."""

    def track(self, title: str, total: int | None) -> AbstractContextManager[Task]:
        """Shows a bar until the context ends, with the time left where the total is known."""
        ...


class SilentTask:
    """Counts nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Drops the step."""


class SilentReporter:
    """Shows nothing: what went wrong is in the results as well."""

    def info(self, message: str) -> None:
        """Drops the line."""

    def warn(self, message: str) -> None:
        """Drops the line."""

    @contextmanager
    def track(self, title: str, total: int | None) -> Iterator[Task]:
        """Yields a task that counts nothing."""
        yield SilentTask()


SILENT = SilentReporter()
