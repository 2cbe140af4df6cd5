"""A worker process as its parent sees it, and how to start a fresh interpreter for one."""

import contextlib
import os
import pickle
import subprocess
import sys
from typing import IO, Any, Protocol, runtime_checkable

from earmark.system.workers.worker import Setup, load_work, serve

_ENVIRONMENT = {
    # There is a worker for each processor; more threads in each would wait for one another.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # Looking for plugins reads the metadata of every installed package; earmark uses none.
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}


@runtime_checkable
class WorkerProcess(Protocol):
    """A worker process, with the pipes that lead there and back."""

    requests: IO[bytes]
    replies: IO[bytes]

    def kill(self) -> None:
        """Ends the process at once, if it has not ended; any thread may do this."""

    def close(self) -> int:
        """Ends the process and releases what it held; returns its exit status.

        Returns:
            The status; the negative number of a signal if one ended it.
        """
        ...

    @property
    def last_output(self) -> str:
        """The last line that a closed worker wrote to standard error, where that is kept."""
        ...


class SpawnedWorker:
    """A worker in a fresh interpreter: for systems where a fork is missing or not safe.

    Args:
        setup: What it needs to start.
    """

    last_output = ""

    def __init__(self, setup: Setup) -> None:
        self._process = start_python("earmark.system.workers.process:serve_pipes", pipes=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.requests: IO[bytes] = self._process.stdin
        self.replies: IO[bytes] = self._process.stdout
        self.requests.write(pickle.dumps(setup))
        self.requests.flush()

    def kill(self) -> None:
        """As `WorkerProcess.kill`."""
        self._process.kill()

    def close(self) -> int:
        """As `WorkerProcess.close`."""
        self.kill()
        close_pipes(self)
        return self._process.wait()


def close_pipes(worker: WorkerProcess) -> None:
    """Closes the pipes of a worker that has ended, with what could not be written to it."""
    for pipe in (worker.requests, worker.replies):
        with contextlib.suppress(OSError):
            pipe.close()


def start_python(
    function: str, *arguments: object, pipes: bool = False, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Starts a fresh interpreter that runs a function and knows nothing of the main module.

    It is in a session of its own, so that the terminal interrupts the parent only.

    Args:
        function: ``MODULE:FUNCTION``.
        arguments: Whose ``repr`` is Python.
        pipes: Whether pipes lead to its standard input and from its standard output.
        descriptors: Files that it inherits.

    Raises:
        OSError: The system cannot start another process.
    """
    module, _, name = function.partition(":")
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; "
        f"{name}({', '.join(map(repr, arguments))})"
    )
    apart: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        if sys.platform == "win32"
        else {"start_new_session": True, "pass_fds": descriptors}
    )
    stream = subprocess.PIPE if pipes else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, f"-Xutf8={sys.flags.utf8_mode}", "-c", code],
        stdin=stream,
        stdout=stream,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_ENVIRONMENT},
        **apart,
    )


def serve_pipes() -> None:
    """A worker on its standard input and output."""
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as replies:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(nowhere, descriptor)
        setup = pickle.load(requests)
        serve(requests, replies, setup, load_work(setup))
