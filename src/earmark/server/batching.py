"""Windows of requests that come at the same time, in one batch of the network."""

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from earmark.inference.backend import Backend, Output, run_backend
from earmark.system.shapes import Float, Float32


class _Job:
    """The windows of one caller, and later their output or what went wrong."""

    def __init__(self, windows: np.ndarray) -> None:
        self.windows = windows
        self.output: Output | None = None
        self.error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.output is not None or self.error is not None


class SharedBackend:
    """A backend that many threads share; what waits while a batch runs is the next batch.

    No caller waits for others to come: an idle network starts at once. The thread that gets the
    turn runs the batch for all that wait, so there is no other thread to start or to stop.

    Args:
        backend: The network.
        max_windows: Most windows of a batch; a caller with more gets a batch of its own.
        watch: Called with the number of windows of each batch.

    Example:
        >>> backend = SharedBackend(lambda windows: windows.mean(axis=2)[:, :1], max_windows=64)
        >>> backend(np.ones((2, 40, 51), np.float32)).tolist()
        [[1.0], [1.0]]
    """

    def __init__(
        self,
        backend: Backend,
        max_windows: int,
        watch: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._backend, self._max_windows, self._watch = backend, max_windows, watch
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float[np.ndarray, "windows outputs"]:
        """Logits of windows."""
        return self.run(windows).logits

    def run(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
        """Runs the network, as a call does; raises what it raises for these windows."""
        job = _Job(windows)
        with self._lock:
            self._waiting.append(job)
        with self._turn:
            # Jobs are taken in order, so a few batches later this one is done.
            while not job.is_done:
                self._run_batch(self._take())
        if job.error is not None:
            raise job.error
        assert job.output is not None
        return job.output

    def _take(self) -> list[_Job]:
        with self._lock:
            jobs = [self._waiting.popleft()]
            size = len(jobs[0].windows)
            while self._waiting and size + len(self._waiting[0].windows) <= self._max_windows:
                jobs.append(self._waiting.popleft())
                size += len(jobs[-1].windows)
        return jobs

    def _run_batch(self, jobs: list[_Job]) -> None:
        try:
            windows = [job.windows for job in jobs]
            batch = windows[0] if len(jobs) == 1 else np.concatenate(windows)
            output = run_backend(self._backend, batch)
        except Exception as error:  # noqa: BLE001 - raised by the caller at fault
            if len(jobs) == 1:
                jobs[0].error = error
                return
            for job in jobs:
                self._run_batch([job])
            return
        self._watch(len(batch))
        first = 0
        for job in jobs:
            job.output = _rows(output, slice(first, first + len(job.windows)))
            first += len(job.windows)


def _rows(output: Output, rows: slice) -> Output:
    logits, *others = output
    return Output(logits[rows], *(None if one is None else one[rows] for one in others))
