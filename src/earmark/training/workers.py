"""Processes that each train a network with one thread."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import loky
import torch
from loky.process_executor import BrokenProcessPool

from earmark.errors import TrainingError

PARENT_SECONDS = 0.5
"""Between two looks of a process whether its parent is still there."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def worker_pool(num_workers: int, *, remedy: str) -> Iterator[loky.ProcessPoolExecutor]:
    """Processes until the context ends, which terminates them; they end if this process is killed.

    Args:
        num_workers: How many.
        remedy: What to do if one is killed.

    Raises:
        TrainingError: A process was killed.
    """
    pool = loky.ProcessPoolExecutor(
        num_workers, initializer=_start_worker, initargs=(os.getpid(),), env=_ONE_THREAD
    )
    try:
        with warnings.catch_warnings():
            # A larger network in the same process is no leak, and no job is lost.
            warnings.filterwarnings("ignore", "A worker was restarted", UserWarning)
            yield pool
    except BrokenProcessPool as error:
        raise TrainingError(
            f"a worker process was killed, perhaps because memory ran out; {remedy}"
        ) from error
    finally:
        # At the end they are idle; before, their results are no longer wanted.
        pool.shutdown(kill_workers=True)


def _start_worker(parent: int) -> None:
    # The terminal interrupts all processes; the parent terminates its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)


def _end_with_parent(parent: int) -> None:
    # Without its parent, a process would write beside the command that is started again, and then
    # wait for work for good.
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
