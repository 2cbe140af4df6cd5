"""What waits while a batch runs is the next batch, and an error costs its own caller."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from earmark.inference.backend import Output
from earmark.server.batching import SharedBackend


def windows(*values):
    return (
        np.full((len(values), 2, 3), 0.0, np.float32) + np.array(values, np.float32)[:, None, None]
    )


class Counting:
    """A backend that remembers its batches; it waits in the first one until it is released."""

    def __init__(self):
        self.sizes, self.release, self.started = [], threading.Event(), threading.Event()

    def __call__(self, batch):
        self.sizes.append(len(batch))
        self.started.set()
        assert self.release.wait(10)
        if (batch < 0).any():
            raise ValueError("negative")
        return batch.mean(axis=2)


def collect(backend, shared, jobs):
    """Runs the jobs at the same time, the first of them before the others."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(shared, jobs[0])]
        assert backend.started.wait(10)
        for count, job in enumerate(jobs[1:], start=1):
            futures.append(pool.submit(shared, job))
            while len(shared._waiting) < count:
                time.sleep(0.001)
        backend.release.set()
    return futures


def test_callers_that_wait_share_the_next_batch():
    backend, watched = Counting(), []
    shared = SharedBackend(backend, 5, watched.append)
    jobs = [windows(1), windows(2, 3), windows(4), windows(5, 6), windows(7, 8, 9, 10, 11, 12)]
    futures = collect(backend, shared, jobs)
    assert backend.sizes == watched == [1, 5, 6]
    for job, future in zip(jobs, futures, strict=True):
        assert future.result() == pytest.approx(job.mean(axis=2))


def test_an_error_is_of_its_own_caller():
    backend = Counting()
    shared = SharedBackend(backend, 64)
    jobs = [windows(1), windows(2), windows(-3), windows(4)]
    first, second, bad, last = collect(backend, shared, jobs)
    for job, future in ((0, first), (1, second), (3, last)):
        assert future.result() == pytest.approx(jobs[job].mean(axis=2))
    with pytest.raises(ValueError, match="negative"):
        bad.result()
    assert shared(windows(5)) == pytest.approx(5)


class Full:
    def __call__(self, batch):
        return self.run(batch).logits

    def run(self, batch):
        mean = batch.mean(axis=2)
        return Output(mean, mean[:, :1], mean[:, 0].astype(np.float64))


def test_every_output_is_divided():
    output = SharedBackend(Full(), 64).run(windows(1, 2))
    assert output.logits.tolist() == [[1, 1], [2, 2]]
    assert output.embeddings.tolist() == [[1], [2]]
    assert output.novelty.tolist() == [1, 2]
