"""Progress bars, through a `Reporter`. Messages go to the logger ``earmark``."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Task(Protocol):
    """Work of a number of steps, with a bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Counts steps as done; shows a note beside the bar."""

    def add_sound(self, seconds: float) -> None:
        """Counts sound as read, in seconds, so that the display moves within a long file."""


@runtime_checkable
class Reporter(Protocol):
    """Shows progress bars."""

    def track(self, title: str, total: int | None) -> AbstractContextManager[Task]:
        """Shows a bar until the context ends, with the time left if the total is known."""
        ...


class SilentTask:
    """A task without a bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Does nothing."""

    def add_sound(self, seconds: float) -> None:
        """Does nothing."""


class SilentReporter:
    """Shows no bars."""

    @contextmanager
    def track(self, title: str, total: int | None) -> Iterator[Task]:
        """Yields a task without a bar."""
        yield SilentTask()


SILENT = SilentReporter()


@contextmanager
def muted() -> Iterator[None]:
    """Suppresses the log messages of earmark until the context ends."""
    logger = logging.getLogger("earmark")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
