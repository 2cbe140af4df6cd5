"""Work on any `concurrent.futures.Executor`: chunks of items as tasks, results in order.

What the work needs, such as a model, goes to each worker process once: a task that finds it missing
says so, and is sent again with it. A chunk whose worker died is sent again too, and at last done in
this process, so that nothing is lost whatever the workers do. So many chunks are under way at a
time that all workers have some and memory stays small.
"""

import contextlib
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import xxhash

from earmark._version import __version__
from earmark.errors import ConfigError
from earmark.system.workers.worker import portable

Item = TypeVar("Item")

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a chunk is sent to workers that die with it."""
CHUNKS_PER_WORKER = 2
UNKNOWN_WORKERS = 256
"""For executors that do not tell how many they have."""
CHUNK_ITEMS = 256
"""Most items of a chunk."""
OPENED_AT_ONCE = 4
"""Contents that a worker keeps open."""

_opened: OrderedDict[str, Any] = OrderedDict()
_opening = threading.Lock()


class Work(NamedTuple):
    """What workers do. The functions are pickled: they are those of a module.

    Args:
        open: From the content to what `run` needs; called once in a process.
        run: From what `open` returned and the items of a chunk to a result for each.
        content: What is sent to each worker once.
    """

    open: Callable[[bytes], Any]
    run: Callable[[Any, Sequence[Any]], Sequence[Any]]
    content: bytes


class Reply(NamedTuple):
    """What a task returns: results, a request for the content, or an error of the work."""

    kind: Literal["done", "needs_content", "error"]
    value: Any = None


class Call(NamedTuple):
    """A task, without the content.

    Args:
        open: As for `Work`.
        run: As for `Work`.
        digest: Of the content.
        version: Of earmark; another one may give other results.
        items: The chunk.
    """

    open: Callable[[bytes], Any]
    run: Callable[[Any, Sequence[Any]], Sequence[Any]]
    digest: str
    version: str
    items: Sequence[Any]


def answer(call: Call, content: bytes | None) -> Reply:
    """Runs in a worker; whatever it raises is none of the work's, but of the executor's.

    Args:
        call: The task.
        content: What it needs, if that is known to be missing here.
    """
    try:
        if call.version != __version__:
            raise ConfigError(
                f"a worker has earmark {__version__}, but this process {call.version}; install "
                "the same version everywhere"
            )
        with _opening:
            if call.digest not in _opened:
                if content is None:
                    return Reply("needs_content")
                _opened[call.digest] = call.open(content)
                while len(_opened) > OPENED_AT_ONCE:
                    _opened.popitem(last=False)
            _opened.move_to_end(call.digest)
            opened = _opened[call.digest]
        return Reply("done", list(call.run(opened, call.items)))
    except Exception as error:  # noqa: BLE001 - raised again by the parent
        return Reply("error", portable(error))


class _Flight:
    """A chunk that is under way, or done."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.num_failures = 0
        self.future: Future[Reply] | None = None
        self.results: Sequence[Any] | None = None


def run_chunks(
    executor: Executor, work: Work, chunks: Iterable[Sequence[Any]]
) -> Iterator[tuple[Any, Any]]:
    """Has the workers of an executor work on chunks.

    Args:
        executor: Any; it stays open.
        work: What they do.
        chunks: Read ahead of the results, a few for each worker.

    Yields:
        Items and their results, in order.

    Raises:
        ConfigError: No worker can work at all, or one has another version of earmark.
        Exception: Whatever the work raised.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> work = Work(bytes.decode, _repeat, b"la")
        >>> with ThreadPoolExecutor(2) as executor:
        ...     list(run_chunks(executor, work, [[1, 2], [3]]))
        [(1, 'la'), (2, 'lala'), (3, 'lalala')]
    """
    chunked = _Chunks(executor, work)
    try:
        for items in chunks:
            chunked.start(items)
            while chunked.is_full:
                yield from chunked.finish_first()
        while chunked.flights:
            yield from chunked.finish_first()
    finally:
        chunked.cancel()


class _Chunks:
    """The chunks that are under way, in order."""

    def __init__(self, executor: Executor, work: Work) -> None:
        self._executor, self._work = executor, work
        self._digest = xxhash.xxh3_128_hexdigest(work.content)
        self._has_worked = self._is_broken = False
        self.flights: deque[_Flight] = deque()

    @property
    def is_full(self) -> bool:
        """Whether all workers have enough to do."""
        num_workers = num_workers_of(self._executor) or UNKNOWN_WORKERS
        return len(self.flights) >= CHUNKS_PER_WORKER * num_workers

    def start(self, items: Sequence[Any]) -> None:
        """Sends a new chunk, and looks after the others."""
        self.flights.append(flight := _Flight(items))
        self._submit(flight, None)
        self._look_at_done(0.0)

    def finish_first(self) -> Iterator[tuple[Any, Any]]:
        """Waits for the first chunk; yields its items and results."""
        first = self.flights[0]
        while first.results is None:
            if first.future is None:
                first.results = self._run_here(first)
            else:
                self._look_at_done(None)
        yield from zip(first.items, first.results, strict=True)
        self.flights.popleft()

    def cancel(self) -> None:
        """Asks the executor to forget what has not begun."""
        for flight in self.flights:
            if flight.future is not None:
                flight.future.cancel()

    def _call(self, flight: _Flight) -> Call:
        work = self._work
        return Call(work.open, work.run, self._digest, __version__, flight.items)

    def _submit(self, flight: _Flight, content: bytes | None) -> None:
        flight.future = None
        if self._is_broken:
            return
        try:
            flight.future = self._executor.submit(answer, self._call(flight), content)
        except RuntimeError as error:
            # A pool of processes is broken for good when one of them dies.
            self._fail(error)
            self._is_broken = True

    def _look_at_done(self, timeout: float | None) -> None:
        flights = {one.future: one for one in self.flights if one.future and one.results is None}
        if flights:
            done, _ = wait(flights, timeout, FIRST_COMPLETED)
            for future in done:
                self._look_at(flights[future], future)

    def _look_at(self, flight: _Flight, future: Future[Reply]) -> None:
        try:
            reply = future.result()
        except Exception as error:  # noqa: BLE001 - of any executor's own
            self._retry(flight, error)
            return
        if reply.kind == "error":
            raise reply.value
        if reply.kind == "needs_content":
            self._submit(flight, self._work.content)
        else:
            self._has_worked = True
            flight.results = reply.value

    def _retry(self, flight: _Flight, error: Exception) -> None:
        flight.num_failures += 1
        if flight.num_failures < ATTEMPTS:
            self._submit(flight, self._work.content)
            return
        self._fail(error)
        flight.future = None

    def _fail(self, error: Exception) -> None:
        """Refuses an executor that has never worked; of others, this process does the rest."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        if not self._has_worked:
            raise ConfigError(
                f"no worker can run earmark ({reason}); the executor has to be open, with the "
                "same version of earmark installed for its workers"
            ) from error
        logger.warning(f"workers were lost ({reason}); their work is done in this process")

    def _run_here(self, flight: _Flight) -> Sequence[Any]:
        reply = answer(self._call(flight), self._work.content)
        if reply.kind == "error":
            raise reply.value
        return reply.value


def chunks_of_files(
    files: Iterable[Item], path_of: Callable[[Item], Path | None], max_bytes: int
) -> Iterator[list[Item]]:
    """Divides files into chunks that take about equally long.

    Args:
        files: The items of chunks.
        path_of: The file of an item, if it has one.
        max_bytes: A chunk is full with so many bytes of files, or with `CHUNK_ITEMS` items.
    """
    chunk: list[Item] = []
    num_bytes = 0
    for one in files:
        chunk.append(one)
        with contextlib.suppress(OSError, ValueError):  # The worker finds out what is wrong.
            path = path_of(one)
            num_bytes += 0 if path is None else path.stat().st_size
        if len(chunk) == CHUNK_ITEMS or num_bytes >= max_bytes:
            yield chunk
            chunk, num_bytes = [], 0
    if chunk:
        yield chunk


def num_workers_of(executor: Executor) -> int | None:
    """How many workers an executor has, if it tells.

    Args:
        executor: Of the standard library, loky or mpi4py, or a `RayExecutor`.
    """
    for name in ("num_workers", "_max_workers"):
        if isinstance(number := getattr(executor, name, None), int) and number > 0:
            return number
    return None


def _repeat(text: str, numbers: Sequence[int]) -> list[str]:
    """The work of the example."""
    return [number * text for number in numbers]
