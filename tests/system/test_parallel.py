"""Results come in order, with their errors, and a bounded number of items is in flight."""

import threading

import pytest

from earmark.system.parallel import LOOK_AHEAD, default_num_workers, map_in_order, read_ahead


@pytest.mark.parametrize("num_workers", [1, 3, None])
def test_results_come_in_the_order_of_the_items(num_workers):
    results = [
        (item, future.result()) for item, future in map_in_order(str, range(100), num_workers)
    ]
    assert results == [(item, str(item)) for item in range(100)]


def test_a_slow_first_item_does_not_change_the_order():
    others_done = threading.Event()

    def work(item):
        if item == 0:
            assert others_done.wait(timeout=30)
        if item == 3:
            others_done.set()
        return item

    assert [future.result() for _, future in map_in_order(work, range(4), 2)] == [0, 1, 2, 3]


def test_no_items_give_no_results():
    assert list(map_in_order(str, [], 2)) == []


def test_an_error_waits_in_its_future_and_the_others_go_on():
    results_or_errors = [
        future.exception() or future.result()
        for _, future in map_in_order(lambda item: 6 // item, [1, 0, 2], 2)
    ]
    assert results_or_errors[0] == 6
    assert isinstance(results_or_errors[1], ZeroDivisionError)
    assert results_or_errors[2] == 3


def test_items_are_read_only_a_little_ahead_of_the_results():
    num_read = 0

    def items():
        nonlocal num_read
        for item in range(1000):
            num_read += 1
            yield item

    for num_taken, (_, future) in enumerate(map_in_order(str, items(), 2), start=1):
        future.result()
        assert num_read <= num_taken + 2 * LOOK_AHEAD


def test_items_left_over_are_not_worked_on_when_the_reader_stops():
    started = []
    results = map_in_order(started.append, range(10_000), 1)
    next(results)[1].result()
    results.close()
    assert len(started) <= 1 + LOOK_AHEAD


def test_reading_ahead_gives_the_same_items():
    assert list(read_ahead(range(100))) == list(range(100))
    assert list(read_ahead([])) == []
    assert list(read_ahead([None, 0])) == [None, 0]


def test_the_next_items_are_made_in_another_thread_while_one_is_used():
    makers = []

    def items():
        for number in range(10):
            makers.append(threading.get_ident())
            yield number

    ahead = read_ahead(items(), 3)
    assert next(ahead) == 0
    assert list(ahead) == list(range(1, 10))
    assert set(makers) != {threading.get_ident()}


def test_reading_ahead_is_bounded_and_stops_when_nobody_reads():
    made = []
    ahead = read_ahead((made.append(number) or number for number in range(1000)), 2)
    for expected in range(5):
        assert next(ahead) == expected
    ahead.close()
    assert len(made) <= 5 + 2


def test_an_error_comes_where_its_item_would():
    ahead = read_ahead(6 // number for number in (1, 2, 0, 3))
    assert next(ahead) == 6
    assert next(ahead) == 3
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_work_can_stop_when_nobody_reads_its_results_any_more():
    started, stopped, cancel = threading.Event(), [], threading.Event()

    def work(item):
        if item:
            started.set()
            assert cancel.wait(timeout=30)
            stopped.append(item)

    results = map_in_order(work, range(2), 2, on_stop=cancel.set)
    next(results)
    assert started.wait(timeout=30)
    results.close()
    assert stopped == [1]


def test_there_is_a_worker_for_each_processor_at_least_one():
    assert default_num_workers() >= 1
