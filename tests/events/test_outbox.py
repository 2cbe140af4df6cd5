"""Documents arrive in order, after failures too, and nobody waits for them."""

import logging
import threading
import time

import pytest

from earmark.events.outbox import Outbox


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("earmark.events.outbox.FIRST_WAIT_SECONDS", 0.01)


class Flaky:
    """Fails some times, then takes everything."""

    def __init__(self, failures):
        self.failures, self.taken, self.done = failures, [], threading.Event()

    def __call__(self, document):
        if self.failures:
            self.failures -= 1
            raise OSError("gone")
        if "bad" in document:
            raise ValueError("status 400")
        self.taken.append(document)
        if document.get("last"):
            self.done.set()


def test_all_arrive_in_order_and_the_failures_are_two_lines(caplog):
    flaky = Flaky(3)
    with caplog.at_level(logging.INFO, "earmark"), Outbox(flaky, "there") as outbox:
        for number in range(5):
            outbox.put({"number": number, "last": number == 4})
        assert flaky.done.wait(10)
    assert [one["number"] for one in flaky.taken] == [0, 1, 2, 3, 4]
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]


def test_what_is_refused_is_dropped_and_does_not_hold_up_the_rest(caplog):
    flaky = Flaky(0)
    with Outbox(flaky, "there") as outbox:
        outbox.put({"bad": True})
        outbox.put({"last": True})
        assert flaky.done.wait(10)
    assert outbox.num_dropped == 1
    assert "status 400" in caplog.text


def test_nobody_waits_and_the_oldest_are_dropped():
    release, taken = threading.Event(), []

    def send(document):
        release.wait(10)
        taken.append(document["number"])

    started_at = time.monotonic()
    with Outbox(send, "there", queued=3) as outbox:
        for number in range(50):
            outbox.put({"number": number})
        assert time.monotonic() - started_at < 2
        assert outbox.num_dropped > 40
        release.set()
        while 49 not in taken:
            time.sleep(0.005)
    assert taken == sorted(taken)


def test_an_end_does_not_wait_for_somebody_who_is_gone():
    started_at = time.monotonic()
    with Outbox(Flaky(10**9), "there") as outbox:
        outbox.put({"number": 0})
    assert time.monotonic() - started_at < 3
