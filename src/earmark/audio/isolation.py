"""Decoding in worker processes, so that a decoder that crashes, hangs or eats memory costs a file.

Decoders are native code that reads untrusted files; no exception handler survives their faults.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from earmark.errors import AudioError
from earmark.system.remote.path import RemotePath
from earmark.system.workers.pool import BATCH_BYTES, Request, WorkerError, WorkerPool
from earmark.system.workers.worker import Work

Item = TypeVar("Item")
Result = TypeVar("Result")

_MESSAGES = {
    "crashed": "decoding it crashes ({reason}); convert the file to WAV or leave it out",
    "timeout": "decoding it hangs ({reason}); convert the file to WAV or leave it out",
    "memory": "decoding it takes too much memory; convert the file to WAV or leave it out",
}


class Job(NamedTuple):
    """The decoding of a file, and what the work takes."""

    path: Path
    content: Any


class DecoderPool(AbstractContextManager["DecoderPool"]):
    """A `WorkerPool` for work on sound files, whose faults are an `AudioError` of the file.

    Args:
        work: As for `WorkerPool`.
        memory_bytes: As for `WorkerPool`.
        patience_seconds: As for `WorkerPool`.
    """

    def __init__(
        self, work: Work, *, memory_bytes: int | None = None, patience_seconds: float | None = None
    ) -> None:
        self._workers = WorkerPool(
            work, memory_bytes=memory_bytes, patience_seconds=patience_seconds
        )

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """As `WorkerPool.close`."""
        self._workers.close()

    def map_in_order(
        self,
        consume: Callable[[Item, Iterator[Any]], Result],
        items: Iterable[Item],
        job: Callable[[Item], Job | None],
        num_workers: int | None = None,
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """As `WorkerPool.map_in_order`; the parts raise what `stream` raises.

        Args:
            consume: As for `WorkerPool.map_in_order`.
            items: As for `WorkerPool.map_in_order`.
            job: What a worker does for an item; None for an item without parts.
            num_workers: As for `WorkerPool.map_in_order`.
        """

        def consume_job(pair: tuple[Item, Job | None], parts: Iterator[Any]) -> Result:
            item, job = pair
            return consume(item, parts if job is None else _named(job, parts))

        pairs = ((item, job(item)) for item in items)
        results = self._workers.map_in_order(
            consume_job,
            pairs,
            lambda pair: None if pair[1] is None else _request(pair[1]),
            num_workers,
        )
        for (item, _), future in results:
            yield item, future

    def stream(self, job: Job) -> Iterator[Any]:
        """As `WorkerPool.stream`.

        Args:
            job: What a worker does.

        Raises:
            AudioError: The decoder crashed (fault ``crashed``), was silent for a minute or more
                (``timeout``) or took too much memory (``memory``); or what the work raised.
            CancelledError: The pool was closed.
        """
        return _named(job, self._workers.stream(_request(job)))


def _request(job: Job) -> Request:
    if isinstance(job.path, RemotePath):
        # One at a time: how long a server takes is not known.
        return Request(job.content, BATCH_BYTES)
    try:
        return Request(job.content, job.path.stat().st_size)
    except (OSError, ValueError):  # A name may hold a zero byte.
        return Request(job.content)


def _named(job: Job, parts: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from parts
    except WorkerError as error:
        message = _MESSAGES[error.fault].format(reason=error.reason)
        raise AudioError(f"{job.path}: {message}", error.fault) from None
