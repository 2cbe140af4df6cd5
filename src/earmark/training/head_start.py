"""A head start of the second of two trainings: a process begins it while the first is trained."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from earmark.system.files import remove_parts
from earmark.system.parallel import default_num_workers
from earmark.training.state import Job, Watch
from earmark.training.workers import worker_pool

logger = logging.getLogger(__name__)

WORTHWHILE_SECONDS = 30.0
"""Of the first training that are left. A process takes some seconds until it trains."""


@contextmanager
def head_start(begin: Callable[[], object], first: Job, second: Job) -> Iterator[Watch | None]:
    """Begins the second training beside the first one, and stops that when the context ends.

    What it has saved by then, the second training resumes from. If the process fails or is killed,
    the second training begins later, or does so itself.

    Args:
        begin: Trains epochs of the second training and saves each, in a process of its own.
        first: The training of this process.
        second: The other one.

    Yields:
        To be called after each epoch of the first training; None where nothing may run beside it.
    """
    if not _may_begin(second):
        yield first.watch
        return
    has_begun = False
    with worker_pool(1, remedy="train with train.num_threads set to all processors") as pool:

        def watch(line: Mapping[str, Any]) -> None:
            nonlocal has_begun
            epochs_left = first.spec.config.train.epochs - line["epoch"]
            if not has_begun and epochs_left * line["elapsed_seconds"] >= WORTHWHILE_SECONDS:
                has_begun = True
                logger.info("training 2 of 2 begins meanwhile, in a process of its own")
                pool.submit(begin)

        yield watch
    remove_parts(second.run.path)


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
        and num_threads <= most_threads(has_two_trainings=True)
        and num_threads < most_threads(has_two_trainings=False)
    )
