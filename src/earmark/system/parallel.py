"""Many items at once, results in order, a bounded number of them in memory."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD = 2
_worker = threading.local()


def default_num_workers() -> int:
    """As many workers as this process may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], num_workers: int | None = None
) -> Iterator[tuple[Item, Future[Result]]]:
    """Works on items in threads and gives the futures in the order of the items.

    Args:
        work: Called once an item; its errors wait in the future.
        items: Read as the work goes on.
        num_workers: Threads; as many as there are processors when it is not given.
    """
    num_workers = num_workers or default_num_workers()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    unwanted = threading.Event()

    def begin() -> None:
        _worker.unwanted = unwanted

    with ThreadPoolExecutor(num_workers, initializer=begin) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= num_workers * LOOK_AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            unwanted.set()
            for _, future in waiting:
                future.cancel()


def leave_if_unwanted() -> None:
    """Ends work of `map_in_order` for which nobody waits any more; long work calls it now and then.

    Raises:
        CancelledError: It is such work: somebody pressed Ctrl-C, or has enough results.
    """
    unwanted: threading.Event | None = getattr(_worker, "unwanted", None)
    if unwanted is not None and unwanted.is_set():
        raise CancelledError


def read_ahead(items: Iterable[Item], num_items: int = LOOK_AHEAD) -> Generator[Item, None, None]:
    """The same items, the next few of which are made in another thread meanwhile.

    Args:
        items: What makes them; its error comes where the item would.
        num_items: How many are made ahead.

    Yields:
        The items. Whoever stops early closes the generator, which waits for the thread.
    """
    end: Any = object()
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, iterator, end) for _ in range(num_items))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, iterator, end))
            yield item
