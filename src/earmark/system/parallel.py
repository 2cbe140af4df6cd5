"""Work in threads: results in order, with a bounded number of items in memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD = 2
"""Items in flight for each worker."""


def default_num_workers() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    num_workers: int | None = None,
    *,
    on_stop: Callable[[], object] | None = None,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Applies a function to items in threads; yields the futures in the order of the items.

    Args:
        work: Called once for each item; its errors are kept in the future.
        items: Read a few ahead of the results.
        num_workers: Threads; by default one for each processor.
        on_stop: Called when the caller stops reading results, after the last one or after an
            interruption. It can stop work that takes long.

    Example:
        >>> [future.result() for _, future in map_in_order(abs, [-1, 2, -3])]
        [1, 2, 3]
    """
    num_workers = num_workers or default_num_workers()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= num_workers * LOOK_AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            if on_stop is not None:
                on_stop()
            for _, future in waiting:
                future.cancel()


def read_ahead(items: Iterable[Item], num_items: int = LOOK_AHEAD) -> Generator[Item, None, None]:
    """Yields the items while another thread produces the next few.

    Args:
        items: Where they come from; an error is raised in place of its item.
        num_items: How many are produced ahead.

    Yields:
        The items. Close the generator to stop early; that waits for the thread.
    """
    end: Any = object()
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, iterator, end) for _ in range(num_items))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, iterator, end))
            yield item
