"""Whatever a worker does, the others' results come, in order, and the culprit is named."""

import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest

from earmark.system.workers.fork_server import CAN_FORK, fork_server
from earmark.system.workers.pool import (
    BATCH_BYTES,
    BATCH_ITEMS,
    MAX_MEMORY_BYTES,
    Request,
    WorkerError,
    WorkerPool,
    default_memory_bytes,
)

needs_fork = pytest.mark.skipif(not CAN_FORK, reason="workers are not forked here")


@pytest.fixture(params=[pytest.param(True, marks=needs_fork), False], ids=["forked", "spawned"])
def pool(hostile, request, monkeypatch):
    monkeypatch.setattr("earmark.system.workers.pool.CAN_FORK", request.param)
    with WorkerPool(hostile.work) as opened:
        yield opened


@pytest.fixture
def forked(hostile):
    with WorkerPool(hostile.work) as opened:
        yield opened


def run(pool, item):
    return list(pool.stream(Request(item)))


def outcome(future):
    error = future.exception()
    return error.fault if isinstance(error, WorkerError) else error or future.result()


def outcomes(pool, items, num_workers=2):
    """The result or fault of each item, which are given to workers several at once."""
    results = pool.map_in_order(lambda _, parts: list(parts), items, Request, num_workers)
    return [(item, outcome(future)) for item, future in results]


def test_the_parts_of_a_result_come_in_order(pool):
    assert run(pool, "parts 3") == [0, 1, 2, "parts 3"]
    assert run(pool, "nothing") == ["nothing"]


def test_an_error_of_the_work_is_raised_here_and_its_worker_goes_on(pool):
    [pid] = run(pool, "pid")
    with pytest.raises(KeyError, match="why") as caught:
        run(pool, "raise why")
    assert "in work" in caught.value.__notes__[0]
    assert run(pool, "pid") == [pid]


@pytest.mark.parametrize(
    ("item", "reason"),
    [("signal SIGSEGV", "SIGSEGV"), ("abort ", "SIGABRT"), ("exit 3", "exit status 3")],
)
def test_a_death_is_an_error_that_says_how_and_another_worker_goes_on(pool, item, reason):
    with pytest.raises(WorkerError) as caught:
        run(pool, item)
    assert (caught.value.fault, caught.value.reason) == ("crashed", reason)
    assert run(pool, "next") == ["next"]


@needs_fork
def test_the_last_words_of_a_worker_are_part_of_the_reason(forked):
    run(forked, "chatter")
    with pytest.raises(WorkerError, match=r"SIGABRT: double free$"):
        run(forked, "abort first line\ndouble free\n")


def test_a_worker_that_was_killed_by_chance_costs_nothing(pool, tmp_path):
    assert run(pool, f"once {tmp_path / 'mark'}")
    assert run(pool, f"late {tmp_path / 'late'}")[:5] == [0, 1, 2, 3, 4]


def test_a_silent_worker_is_ended_and_one_that_shows_signs_of_life_is_not(forked, impatient):
    assert run(forked, "slow") == ["slow"]
    with pytest.raises(WorkerError) as caught:
        run(forked, "hang")
    assert caught.value.fault == "timeout"
    assert run(forked, "next") == ["next"]


def test_a_large_item_may_be_silent_for_longer():
    assert Request(0, 600_000_000).patience_seconds == 10 * Request(0, 0).patience_seconds + 60


@needs_fork
def test_memory_is_limited(hostile):
    with WorkerPool(hostile.work, memory_bytes=100 << 20) as pool:
        assert run(pool, "memory 50") == ["memory 50"]
        with pytest.raises(WorkerError) as caught:
            run(pool, "memory 200")
        assert caught.value.fault == "memory"
        assert run(pool, "memory 50") == ["memory 50"]
    assert 0 < default_memory_bytes() <= MAX_MEMORY_BYTES


def test_of_many_items_only_the_culprits_fail(forked, impatient):
    items = [str(number) for number in range(150)]
    for at, bad in {0: "abort ", 70: "signal SIGSEGV", 71: "exit 1", 110: "hang"}.items():
        items[at] = bad
    items[149] = "raise why"
    faults = {"abort ": "crashed", "signal SIGSEGV": "crashed", "exit 1": "crashed"}
    faults["hang"] = "timeout"
    found = outcomes(forked, items, 3)
    assert [item for item, _ in found] == items
    assert isinstance(found[149][1], KeyError)
    assert [one for _, one in found[:149]] == [faults.get(item, [item]) for item in items[:149]]


def test_many_items_without_a_fork(pool):
    items = [str(number) for number in range(30)]
    assert outcomes(pool, items) == [(item, [item]) for item in items]


def test_small_items_are_given_several_at_once(forked, monkeypatch):
    sizes = []
    work_on_batch = WorkerPool._work_on_batch

    def counted(self, consume, batch):
        sizes.append(len(batch))
        return work_on_batch(self, consume, batch)

    monkeypatch.setattr(WorkerPool, "_work_on_batch", counted)
    outcomes(forked, range(500))
    assert sizes[:4] == [1, 1, 1, 1]
    assert max(sizes) == BATCH_ITEMS
    assert sum(sizes) == 500


def test_large_items_are_given_alone(forked, monkeypatch):
    monkeypatch.setattr(WorkerPool, "_try_batch", pytest.fail)
    results = forked.map_in_order(
        lambda _, parts: list(parts), range(50), lambda item: Request(item, BATCH_BYTES), 2
    )
    assert [future.result() for _, future in results] == [[number] for number in range(50)]


def test_items_without_a_request_need_no_worker(hostile, monkeypatch):
    monkeypatch.setattr("earmark.system.workers.pool._launch", pytest.fail)
    with WorkerPool(hostile.work) as pool:
        results = pool.map_in_order(lambda item, parts: (item, *parts), "abc", lambda _: None)
        assert [future.result() for _, future in results] == [("a",), ("b",), ("c",)]


def test_items_are_read_a_bounded_number_ahead(forked):
    num_read = 0

    def items():
        nonlocal num_read
        for number in range(100_000):
            num_read += 1
            yield number

    def request(number):
        return Request(number, BATCH_BYTES)

    results = forked.map_in_order(lambda _, parts: list(parts), items(), request, 2)
    for num_taken, _ in enumerate(results, start=1):
        assert num_read <= num_taken + 6
        if num_taken == 50:
            break


def test_who_waits_for_a_worker_is_released_when_the_pool_closes(pool):
    run(pool, "started")
    timer = threading.Timer(0.3, pool.close)
    timer.start()
    with pytest.raises(CancelledError):
        run(pool, "hang")
    timer.join()
    with pytest.raises(CancelledError):
        run(pool, "next")


def test_messages_come_through_once_and_native_ones_not_at_all(hostile, caplog, capfd):
    with caplog.at_level(logging.INFO, "earmark"), WorkerPool(hostile.work) as pool:
        run(pool, "log a % b")
        run(pool, "chatter")
    assert caplog.record_tuples == [("earmark.somewhere", logging.WARNING, "a % b")]
    assert capfd.readouterr() == ("", "")


def test_an_error_that_cannot_be_pickled_is_told(hostile):
    with WorkerPool(hostile.raise_unpicklable) as pool, pytest.raises(RuntimeError, match="one"):
        run(pool, "x")


def test_a_worker_that_cannot_start_is_no_fault_of_the_item(hostile, monkeypatch):
    with WorkerPool(hostile.work) as pool:
        monkeypatch.setattr(pool, "_setup", pool._setup._replace(work=b""))
        with pytest.raises(EOFError):
            run(pool, "x")


def test_workers_work_where_this_process_does(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with WorkerPool(hostile.work) as pool:
        assert run(pool, "folder") == [str(tmp_path)]


def test_a_removed_working_folder_is_no_obstacle(hostile, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with WorkerPool(hostile.work) as pool:
        assert run(pool, "x") == ["x"]


@needs_fork
def test_a_server_that_was_killed_is_replaced(hostile):
    with WorkerPool(hostile.work) as pool:
        run(pool, "x")
    os.kill(fork_server._process.pid, signal.SIGKILL)
    with WorkerPool(hostile.work) as pool:
        assert run(pool, "x") == ["x"]


def test_no_worker_is_left_behind(hostile, is_running):
    with WorkerPool(hostile.work) as pool:
        [pid] = run(pool, "pid")
        assert is_running(pid)
    assert not is_running(pid)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
print("once", flush=True)
import {name}
from earmark.system.workers import pool as worker_pool
worker_pool.CAN_FORK = {can_fork}
with worker_pool.WorkerPool({name}.work) as pool:
    print(*pool.stream(worker_pool.Request("pid")), flush=True)
    for _ in pool.stream(worker_pool.Request({last!r})):
        pass
"""


@pytest.fixture
def start_script(hostile, tmp_path):
    """Starts a script without a guard of its main module."""
    started = []

    def start(last, *, can_fork=CAN_FORK):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(name=hostile.__name__, last=last, can_fork=can_fork))
        command = [sys.executable, str(script), str(tmp_path)]
        # A shell lets what it starts in the background ignore interrupts.
        usual = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=usual)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("can_fork", [pytest.param(True, marks=needs_fork), False])
def test_a_script_needs_no_guard(start_script, can_fork):
    output, _ = start_script("x", can_fork=can_fork).communicate(timeout=60)
    assert len(output.split()) == 2
    assert output.startswith("once")


@needs_fork
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(start_script, is_running, number):
    process = start_script("hang")
    assert process.stdout.readline() == "once\n"
    pid = int(process.stdout.readline())
    assert is_running(pid)
    process.send_signal(number)
    # Only a process that never ends takes so long, also on a busy machine.
    assert process.wait(timeout=60) == -number
    deadline = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)
