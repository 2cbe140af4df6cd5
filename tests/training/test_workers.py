"""The processes that train networks."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from earmark.errors import TrainingError
from earmark.training.workers import worker_pool


def test_a_worker_that_is_replaced_is_no_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with worker_pool(1, remedy="none") as pool:
            pool.submit(os.getpid).result()
            warnings.warn("A worker was restarted while some jobs were given", stacklevel=1)
            warnings.warn("another one", stacklevel=1)
    assert [str(one.message) for one in caught] == ["another one"]


def test_a_worker_that_is_killed_is_an_error():
    with pytest.raises(TrainingError), worker_pool(1, remedy="none") as pool:
        pool.submit(os._exit, 1).result()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_worker_ends_when_its_parent_is_killed(is_running):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", PARENT], text=True, **pipes) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


PARENT = """
import os, time
from earmark.training.workers import worker_pool
with worker_pool(1, remedy="none") as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""
