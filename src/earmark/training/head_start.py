"""A head start of the second of two trainings: a process begins it while the first is trained."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from earmark.system.files import remove_parts
from earmark.system.parallel import default_num_workers
from earmark.training.state import Job, Watch
from earmark.training.workers import worker_pool

logger = logging.getLogger(__name__)

WORTHWHILE_SECONDS = 30.0
"""Of the first training that are left. A process takes some seconds until it trains."""
OOM_SCORE = Path("/proc/self/oom_score_adj")
"""See proc(5)."""


@contextmanager
def head_start(begin: Callable[[], object], first: Job, second: Job) -> Iterator[Watch | None]:
    """Begins the second training beside the first one, and stops that when the context ends.

    The second training resumes from what the process has saved by then: nothing, if it has failed.

    Args:
        begin: Trains epochs of the second training and saves each, in a process of its own.
        first: The training of this process.
        second: The other one.

    Yields:
        The watch of the first training; its own where nothing may run beside it.
    """
    if not _may_begin(second):
        yield first.watch
        return
    has_begun = False
    with ExitStack() as stack:
        stack.callback(remove_parts, second.run.path)

        def watch(line: Mapping[str, Any]) -> None:
            nonlocal has_begun
            epochs_left = first.spec.config.train.epochs - line["epoch"]
            if has_begun or epochs_left * line["elapsed_seconds"] < WORTHWHILE_SECONDS:
                return
            has_begun = True
            try:
                stack.enter_context(worker_pool(1, remedy="train again")).submit(begin)
            except (OSError, NotImplementedError) as error:
                logger.debug(f"no process can be started: {error}")
            else:
                logger.info("training 2 of 2 begins meanwhile, in a process of its own")

        yield watch


def die_first() -> None:
    """Makes Linux kill this process before others where memory runs out."""
    with suppress(OSError):
        OOM_SCORE.write_text("1000", encoding="utf-8")


def most_threads(*, has_two_trainings: bool) -> int:
    """The threads that a training may use: those of the process, or its part of them.

    Args:
        has_two_trainings: Whether another one may run beside it.
    """
    number = min(torch.get_num_threads(), default_num_workers())
    return max(1, number // 2) if has_two_trainings else number


def _may_begin(second: Job) -> bool:
    runtime, num_threads = second.runtime, second.spec.config.train.num_threads or 1
    return (
        second.watch is None
        and runtime.device.type == "cpu"
        and runtime.world_size == 1
        and 2 * num_threads <= most_threads(has_two_trainings=False)
    )
