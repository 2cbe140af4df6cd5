"""Where progress goes. Messages go to the logger ``earmark``, as those of any library.

Bars are shown by a `Reporter`, if one is given.
"""

import logging
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
    """Shows progress bars."""

    def track(self, title: str, total: int | None) -> AbstractContextManager[Task]:
        """Shows a bar until the context ends, with the time left where the total is known."""
        ...


class SilentTask:
    """Counts nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Drops the step."""


class SilentReporter:
    """Shows nothing."""

    @contextmanager
    def track(self, title: str, total: int | None) -> Iterator[Task]:
        """Yields a task that counts nothing."""
        yield SilentTask()


SILENT = SilentReporter()


@contextmanager
def muted() -> Iterator[None]:
    """Drops what earmark logs until the context ends."""
    logger = logging.getLogger("earmark")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
