"""How many requests are worked on at the same time, and when one more may come."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from earmark.server.metrics import Metrics
from earmark.system.web.answers import BusyError

FIRST_GUESS_SECONDS = 0.1
MEMORY = 0.9
"""How much of the mean time of a request the next one leaves."""
LONGEST_WAIT_SECONDS = 60.0


class Admission:
    """A bounded number of places, for use in one event loop.

    A place is taken before the body is read, so that what is refused costs nothing.

    Args:
        places: How many.
        metrics: Where places and refusals are counted.

    Example:
        >>> admission = Admission(1, Metrics())
        >>> with admission.place(), admission.place():
        ...     pass
        Traceback (most recent call last):
        earmark.system.web.answers.BusyError: busy; try again in 1 s
    """

    def __init__(self, places: int, metrics: Metrics) -> None:
        self._places, self._metrics = places, metrics
        self._taken = 0
        self._mean_seconds = FIRST_GUESS_SECONDS

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for as long as the context is open.

        Raises:
            BusyError: There is none.
        """
        if self._taken >= self._places:
            self._metrics.rejected.inc()
            # Half of those that wait should be done by then.
            raise BusyError(min(self._mean_seconds / 2, LONGEST_WAIT_SECONDS))
        self._taken += 1
        self._metrics.queued.set(self._taken)
        started_at = time.monotonic()
        try:
            yield
        finally:
            self._taken -= 1
            self._metrics.queued.set(self._taken)
            seconds = time.monotonic() - started_at
            self._mean_seconds += (1 - MEMORY) * (seconds - self._mean_seconds)
