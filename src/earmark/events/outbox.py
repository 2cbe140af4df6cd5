"""Documents on their way to somewhere that may be slow or gone, without delay for the sender."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

logger = logging.getLogger(__name__)

Document = dict[str, Any]

QUEUED = 1000
"""Documents that wait while the other side is gone; then the oldest are dropped."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0
CLOSING_SECONDS = 5.0


class Outbox(AbstractContextManager["Outbox"]):
    """Sends documents in order from a thread of its own, each until it arrives.

    After a failure it waits, twice as long each time up to a minute. Failures are logged once, and
    so is the end of them.

    Args:
        send: Sends a document; an `OSError` means that it should be sent again later, a
            `ValueError` that it never will be taken.
        name: Where to, for messages, without passwords.
        queued: How many documents may wait.
        longest_wait_seconds: Between two tries.

    Example:
        >>> sent = []
        >>> with Outbox(sent.append, "a list") as outbox:
        ...     outbox.put({"label": "speech"})
        >>> sent
        [{'label': 'speech'}]
    """

    def __init__(
        self,
        send: Callable[[Document], object],
        name: str,
        *,
        queued: int = QUEUED,
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
    ) -> None:
        self._send, self._name = send, name
        self._longest_wait_seconds = longest_wait_seconds
        self._waiting: queue.Queue[Document | None] = queue.Queue(queued)
        self._closing = threading.Event()
        self._has_failed = False
        self.num_dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"outbox {name}", daemon=True)

    def __enter__(self) -> "Outbox":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.put(None)
        # What still waits gets one more try, for a few seconds in all.
        self._thread.join(CLOSING_SECONDS)
        if self.num_dropped:
            logger.warning(f"{self._name}: {self.num_dropped} events dropped")

    def put(self, document: Document | None) -> None:
        """Takes a document, at once.

        Args:
            document: What to send.
        """
        while True:
            try:
                self._waiting.put_nowait(document)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                    self.num_dropped += 1
                except queue.Empty:
                    continue
            else:
                return

    def _run(self) -> None:
        while (document := self._waiting.get()) is not None:
            if not self._deliver(document):
                self.num_dropped += 1

    def _deliver(self, document: Document) -> bool:
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                self._send(document)
            except ValueError as error:
                logger.warning(f"{self._name}: event refused: {error}")
                return False
            except OSError as error:
                if not self._has_failed:
                    logger.warning(f"{self._name}: cannot be reached ({error}); trying again")
                self._has_failed = True
                if self._closing.wait(wait_seconds):
                    return False
                wait_seconds = min(2 * wait_seconds, self._longest_wait_seconds)
            else:
                if self._has_failed:
                    logger.info(f"{self._name}: reached again")
                self._has_failed = False
                return True
