"""Chunks on executors that are slow, that lose tasks, and that break."""

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context
from pathlib import Path

import pytest

from earmark.errors import ConfigError, DataError
from earmark.system import executors
from earmark.system.executors import Work, chunks_of_files, num_workers_of, run_chunks


def new_work(run: Callable, content: str = "") -> Work:
    # Another content each time: this process keeps what it has opened.
    return Work(bytes.decode, run, f"{content}{uuid.uuid4()}".encode())


def double(_opened, numbers):
    time.sleep(random.random() / 200)
    return [2 * number for number in numbers]


CHUNKS = [[1, 2], [3], [4, 5, 6], [7], [8], [9, 10], [11]]
DOUBLED = [(number, 2 * number) for chunk in CHUNKS for number in chunk]


class Watched(Executor):
    """An executor of threads that loses the tasks of some numbers, and breaks at one."""

    def __init__(self, lost=(), breaks_at=None, num_workers=2):
        self.pool = ThreadPoolExecutor(num_workers)
        self.num_workers = num_workers
        self.num_submitted = self.num_contents = 0
        self.lost, self.breaks_at = lost, breaks_at

    def submit(self, fn, /, call, content):
        number, self.num_submitted = self.num_submitted, self.num_submitted + 1
        self.num_contents += content is not None
        if self.breaks_at is not None and number >= self.breaks_at:
            raise BrokenExecutor("a process has died")
        if number in self.lost:
            future: Future = Future()
            future.set_exception(OSError("connection lost"))
            return future
        return self.pool.submit(fn, call, content)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.pool.shutdown(wait, cancel_futures=cancel_futures)


def test_results_come_in_order():
    with ThreadPoolExecutor(3) as executor:
        assert list(run_chunks(executor, new_work(double), CHUNKS)) == DOUBLED


def test_a_process_gets_the_content_once():
    with Watched() as executor:
        assert list(run_chunks(executor, new_work(double), CHUNKS * 3)) == DOUBLED * 3
    # Tasks that were sent before the first answer may ask for it too.
    assert 1 <= executor.num_contents <= executors.CHUNKS_PER_WORKER * executor.num_workers


@pytest.mark.parametrize("lost", [{0}, {3, 4}, {5, 6, 7, 8, 9, 10, 11}, range(6, 999)])
def test_tasks_that_are_lost_lose_nothing(lost):
    with Watched(lost) as executor:
        assert list(run_chunks(executor, new_work(double), CHUNKS)) == DOUBLED


@pytest.mark.parametrize("at", [6, 9])
def test_an_executor_that_breaks_loses_nothing(at):
    with Watched(breaks_at=at) as executor:
        assert list(run_chunks(executor, new_work(double), CHUNKS)) == DOUBLED


@pytest.mark.parametrize("executor", [Watched(range(999)), Watched(breaks_at=0)])
def test_an_executor_that_has_never_worked_is_refused(executor):
    with executor, pytest.raises(ConfigError):
        list(run_chunks(executor, new_work(double), CHUNKS))


def fail(_opened, numbers):
    raise DataError(f"{numbers}: not usable")


def test_errors_of_the_work_are_raised_at_once():
    with Watched() as executor, pytest.raises(DataError):
        list(run_chunks(executor, new_work(fail), CHUNKS))
    assert executor.num_submitted <= 2 * len(CHUNKS)


def test_workers_of_another_version_are_refused(monkeypatch):
    # This process is both; the call has been made when the worker compares.
    call = executors._Chunks(Watched(), new_work(double))._call(executors._Flight([1]))
    monkeypatch.setattr(executors, "__version__", "0.0.1")
    reply = executors.answer(call, b"")
    assert reply.kind == "error"
    assert isinstance(reply.value, ConfigError)


def test_few_chunks_are_under_way():
    read, done, gate = [], [], threading.Event()

    def chunks():
        for number in range(100):
            read.append(number)
            yield [number]

    def wait(_opened, numbers):
        gate.wait(10)
        done.extend(numbers)
        return numbers

    with Watched(num_workers=3) as executor:
        results = run_chunks(executor, Work(bytes.decode, wait, b"few"), chunks())
        threading.Timer(0.1, gate.set).start()
        next(results)
        assert len(read) <= 2 * 3
        assert next(results) == (1, 1)
        assert len(read) <= 2 * 3 + 1
        results.close()
    assert len(done) < 100


def kill_once(flag, numbers):
    try:
        Path(flag[:-36]).touch(exist_ok=False)
    except FileExistsError:
        return [2 * number for number in numbers]
    if numbers == [8]:
        os.kill(os.getpid(), signal.SIGKILL)
    Path(flag[:-36]).unlink()
    return [2 * number for number in numbers]


def test_a_pool_of_processes_of_which_one_is_killed_loses_nothing(tmp_path):
    work = new_work(kill_once, str(tmp_path / "flag"))
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        assert list(run_chunks(executor, work, CHUNKS)) == DOUBLED
    assert (tmp_path / "flag").exists()


def test_chunks_are_full_by_number_or_by_size(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "CHUNK_ITEMS", 3)
    large = tmp_path / "large"
    large.write_bytes(bytes(100))
    files = [large, large, None, tmp_path / "missing", None, None, large]
    chunks = list(chunks_of_files(files, lambda path: path, 200))
    assert list(map(len, chunks)) == [2, 3, 2]


def test_the_number_of_workers_is_known_where_it_is_told():
    with ThreadPoolExecutor(3) as pool, Watched(num_workers=5) as watched:
        assert (num_workers_of(pool), num_workers_of(watched)) == (3, 5)
    assert num_workers_of(Executor()) is None
