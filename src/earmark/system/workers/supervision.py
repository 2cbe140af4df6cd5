"""A worker process under supervision: how it died, and whether it still does anything."""

import contextlib
import logging
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from earmark.system.workers.process import WorkerProcess
from earmark.system.workers.worker import Reply

START_SECONDS = 60.0
"""How long a worker may take to start."""

WorkerFault = Literal["crashed", "timeout", "memory"]


class WorkerError(Exception):
    """An item made its worker die, hang or take too much memory.

    Args:
        fault: Which of the three.
        reason: What ended the process: a signal, an exit status or its last words.
    """

    def __init__(self, fault: WorkerFault, reason: str) -> None:
        super().__init__(f"{fault}: {reason}")
        self.fault: WorkerFault = fault
        self.reason = reason


class SupervisedWorker:
    """A worker, and the items that it has not answered yet.

    Args:
        process: A new one.
    """

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self._has_started = False
        self._num_waiting = 0
        self._lock = threading.Lock()
        self._is_waited_for = self._has_stalled = False
        self._silent_seconds = self._patience_seconds = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it can take other items."""
        return self._has_started and not self._num_waiting and not self._has_stalled

    def send(self, items: Sequence[Any], patience_seconds: float) -> None:
        """Gives it items to work on.

        Args:
            items: What the work takes.
            patience_seconds: How long it may be silent.
        """
        self._num_waiting, self._patience_seconds = len(items), patience_seconds
        content = pickle.dumps(list(items))
        with contextlib.suppress(OSError):  # If it has died, it has no reply either.
            self.process.requests.write(content)
            self.process.requests.flush()

    def parts(self) -> Iterator[Any]:
        """The parts of the result of the next item.

        Raises:
            WorkerError: The process died, hung or ran out of memory.
            RuntimeError: It cannot start.
            Exception: Whatever the work raised.
        """
        while True:
            kind, value = self._receive()
            if kind == "ready":
                self._has_started = True
            elif kind == "log":
                logging.getLogger(value.name).handle(value)
            elif kind == "memory":
                raise WorkerError("memory", "")
            elif kind == "part":
                yield value
            elif kind != "alive":
                self._num_waiting -= 1
                if kind == "error":
                    raise value
                yield value
                return

    def count_silence(self, seconds: float) -> None:
        """Kills the process if it has been silent for too long.

        Args:
            seconds: Since the last time.
        """
        with self._lock:
            if self._is_waited_for:
                self._silent_seconds += seconds
                patience = self._patience_seconds if self._has_started else START_SECONDS
                if self._silent_seconds > patience:
                    self._has_stalled = True
                    self.process.kill()

    def _receive(self) -> Reply:
        with self._lock:
            self._silent_seconds, self._is_waited_for = 0.0, True
        try:
            return pickle.load(self.process.replies)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise self._death() from None
        finally:
            with self._lock:
                self._is_waited_for = False

    def _death(self) -> Exception:
        status = self.process.close()
        reason = ": ".join(filter(None, (_name_status(status), self.process.last_output)))
        if not self._has_started:
            return RuntimeError(f"a worker process cannot start ({reason})")
        if self._has_stalled:
            return WorkerError("timeout", f"silent for {self._silent_seconds:.0f} s")
        return WorkerError("crashed", reason)


def _name_status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
