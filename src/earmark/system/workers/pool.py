"""Work in processes that may die, hang or take too much memory; only the item at fault fails."""

import contextlib
import functools
import itertools
import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from earmark.system.parallel import default_num_workers, map_in_order
from earmark.system.workers.fork_server import CAN_FORK, fork_server
from earmark.system.workers.process import SpawnedWorker, WorkerProcess
from earmark.system.workers.supervision import SupervisedWorker, WorkerError
from earmark.system.workers.worker import Setup, Work

Item = TypeVar("Item")
Result = TypeVar("Result")

ATTEMPTS = 2
"""A worker may have been killed by chance, as when others took all the memory."""
PATIENCE_SECONDS = 60.0
"""How long a worker may be silent."""
PATIENT_BYTES = 1_000_000
"""For so many bytes to read, it may be silent for a second more."""
WATCH_SECONDS = 1.0
BATCH_ITEMS = 16
BATCH_BYTES = 1 << 21
"""Items are worked on together if they take some milliseconds each."""
BATCH_SECONDS = 0.1
"""Items that come more slowly are not waited for."""
BATCH_PATIENCE_SECONDS = 10.0
MAX_MEMORY_BYTES = 4 << 30
MEMORY_FRACTION = 0.5


class Request(NamedTuple):
    """Something for a worker to do.

    Args:
        content: What the work takes.
        num_bytes: How much there is to read. About much, a worker may be silent for longer; little
            things are done several at once, so that a worker need not wait for each.
    """

    content: Any
    num_bytes: int = 0

    @property
    def patience_seconds(self) -> float:
        """How long a worker may be silent."""
        return PATIENCE_SECONDS + self.num_bytes / PATIENT_BYTES


class WorkerPool(AbstractContextManager["WorkerPool"]):
    """Worker processes, one for each thread that uses the pool at the same time.

    They start when they are needed and serve until the context ends. The function and the items
    are pickled; the module of the function is imported by the workers, the main module never.

    Args:
        work: The function: from an item, and a function that sends parts of the result early, to
            the last part.
        memory_bytes: How much memory a worker may take in addition to its modules. By default 4 GB
            or half of the machine's, whichever is less. Only Linux can limit it.
        patience_seconds: How long a worker may be silent about an item of `stream`. By default
            `PATIENCE_SECONDS`, and longer if there is much to read.
    """

    def __init__(
        self, work: Work, *, memory_bytes: int | None = None, patience_seconds: float | None = None
    ) -> None:
        self._patience_seconds = patience_seconds
        self._setup = Setup(
            pickle.dumps(work),
            list(sys.path),
            _working_folder(),
            logging.getLogger("earmark").getEffectiveLevel(),
            memory_bytes or default_memory_bytes(),
        )
        self._lock = threading.Lock()
        self._idle: list[SupervisedWorker] = []
        self._all: set[SupervisedWorker] = set()
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def map_in_order(
        self,
        consume: Callable[[Item, Iterator[Any]], Result],
        items: Iterable[Item],
        request: Callable[[Item], Request | None],
        num_workers: int | None = None,
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Has workers work on items, as `earmark.system.parallel.map_in_order`; closes the pool.

        Args:
            consume: From an item and the parts of its result, which come as for `stream`, to a
                result. It runs in a thread; its errors are kept in the future.
            items: Read ahead of the results, a few large or many small ones.
            request: What a worker has to do for an item; None for an item without parts.
            num_workers: Processes; by default one for each processor.

        Yields:
            Items and their futures, in order.
        """
        num_workers = num_workers or default_num_workers()
        work = functools.partial(self._work_on_batch, consume)
        batches = _batches(((one, request(one)) for one in items), 2 * num_workers)
        for batch, futures in map_in_order(work, batches, num_workers, on_stop=self.close):
            for (item, _), future in zip(batch, futures.result(), strict=True):
                yield item, future

    def stream(self, request: Request) -> Iterator[Any]:
        """Has a worker do something; the thread waits for it.

        Args:
            request: What to do.

        Yields:
            The parts of the result, as they come.

        Raises:
            WorkerError: The request killed its worker twice, or the worker was silent for too long
                or took too much memory.
            CancelledError: The pool was closed.
            Exception: Whatever the work raised.
        """
        patience = self._patience_seconds or request.patience_seconds
        num_yielded = 0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._borrowed() as worker:
                    worker.send([request.content], patience)
                    for part in itertools.islice(worker.parts(), num_yielded, None):
                        num_yielded += 1
                        yield part
            except WorkerError as error:
                if error.fault != "crashed" or attempt == ATTEMPTS:
                    raise
            else:
                return

    def _work_on_batch(
        self,
        consume: Callable[[Item, Iterator[Any]], Result],
        batch: Sequence[tuple[Item, Request | None]],
    ) -> list[Future[Result]]:
        requests = [request for _, request in batch if request is not None]
        results = iter(self._try_batch(requests) if len(requests) > 1 else ())
        futures = []
        for item, request in batch:
            # If the worker died, the rest is done one by one, to find the one at fault.
            parts = iter(()) if request is None else next(results, None) or self.stream(request)
            future: Future[Result] = Future()
            try:
                future.set_result(consume(item, parts))
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)
            futures.append(future)
        return futures

    def _try_batch(self, requests: Sequence[Request]) -> list[Iterator[Any]]:
        """The parts of the results, as far as the worker lives."""
        results: list[Iterator[Any]] = []
        with contextlib.suppress(WorkerError), self._borrowed() as worker:
            worker.send([one.content for one in requests], BATCH_PATIENCE_SECONDS)
            results.extend(_collect(worker.parts()) for _ in requests)
        return results

    def close(self) -> None:
        """Ends all workers at once; whoever waits for one gets a `CancelledError`."""
        self._closed.set()
        with self._lock:
            for worker in self._all:
                worker.process.kill()
        # The others are closed by the threads that wait for them.
        for worker in self._idle:
            worker.process.close()
        if self._watch is not None:
            self._watch.join()

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _borrowed(self) -> Iterator[SupervisedWorker]:
        worker = self._borrow()
        try:
            yield worker
        except (WorkerError, RuntimeError):
            if self._closed.is_set():
                raise CancelledError from None
            raise
        finally:
            self._give_back(worker)

    def _borrow(self) -> SupervisedWorker:
        with self._lock:
            if self._closed.is_set():
                raise CancelledError
            if self._idle:
                return self._idle.pop()
        worker = SupervisedWorker(_launch(self._setup))
        with self._lock:
            if self._closed.is_set():
                worker.process.close()
                raise CancelledError
            self._all.add(worker)
            if self._watch is None:
                self._watch = threading.Thread(target=self._watch_workers, daemon=True)
                self._watch.start()
        return worker

    def _give_back(self, worker: SupervisedWorker) -> None:
        with self._lock:
            if worker.is_ready and not self._closed.is_set():
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.process.close()

    def _watch_workers(self) -> None:
        # Seconds are counted here, not read from a clock, so that a pause of the whole program, or
        # of the machine, is not taken for the silence of a worker.
        while not self._closed.wait(WATCH_SECONDS):
            with self._lock:
                workers = list(self._all)
            for worker in workers:
                worker.count_silence(WATCH_SECONDS)


def _working_folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # It was removed.
        return None


def _launch(setup: Setup) -> WorkerProcess:
    return fork_server.launch(setup) if CAN_FORK else SpawnedWorker(setup)


def _batches(
    items: Iterable[tuple[Item, Request | None]], num_alike: int
) -> Iterator[list[tuple[Item, Request | None]]]:
    """Items in batches: of one at first, so that every worker gets some, and then of more."""
    batch: list[tuple[Item, Request | None]] = []
    num_bytes = num_batches = 0
    started_at = time.monotonic()
    for item, request in items:
        size = request.num_bytes if request else 0
        is_late = time.monotonic() - started_at > BATCH_SECONDS
        is_full = len(batch) >= min(BATCH_ITEMS, 1 + num_batches // num_alike)
        if batch and (is_full or is_late or num_bytes + size > BATCH_BYTES):
            yield batch
            batch, num_bytes, num_batches = [], 0, num_batches + 1
        if not batch:
            started_at = time.monotonic()
        batch.append((item, request))
        num_bytes += size
    if batch:
        yield batch


def _collect(parts: Iterator[Any]) -> Iterator[Any]:
    """The same parts, when all have come; an error of the item comes where it would."""
    collected: list[Any] = []
    try:
        collected.extend(parts)
    except WorkerError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again
        return _replay(collected, error)
    return _replay(collected)


def _replay(parts: Sequence[Any], error: Exception | None = None) -> Iterator[Any]:
    yield from parts
    if error is not None:
        raise error


def default_memory_bytes() -> int:
    """How much memory a worker may take: 4 GB, or half of the machine's if that is less."""
    if not hasattr(os, "sysconf"):
        return MAX_MEMORY_BYTES
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(MAX_MEMORY_BYTES, int(MEMORY_FRACTION * machine))
