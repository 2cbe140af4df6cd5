"""Forks worker processes from a server that has imported what they need.

The server is a fresh interpreter without threads: a process that has some, as one with BLAS or
ONNX Runtime does, must not fork. It takes requests from a socket one by one. When that closes,
however the parent ended, it kills its workers and exits.

::

    parent                       server                    worker
      PREPARE, modules ──────────▶ imports
      LAUNCH, setup, channel ────▶ imports, forks ───────▶ serves the channel
      ◀──── its process id
      REAP, process id ──────────▶ waits for it
      ◀──── exit status
"""

import atexit
import contextlib
import errno
import gc
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from importlib import import_module
from typing import IO

from earmark.system.workers.process import close_pipes, start_python
from earmark.system.workers.worker import OUTPUT_BYTES, Setup, Work, load_work, serve

CAN_FORK = sys.platform.startswith("linux")
"""Elsewhere forking is missing or, with the libraries of macOS, not safe."""
_REQUEST, _ANSWER = struct.Struct("qq"), struct.Struct("q")
_PREPARE, _LAUNCH, _REAP = range(3)


class ForkServer:
    """The parent's side. Threads may share it.

    The server starts when it is first asked for something and stays for later workers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def prepare(self, *modules: str) -> None:
        """Has the server import what workers will need, and does not wait for it."""
        self._ask(_PREPARE, pickle.dumps((sys.path, modules)))

    def launch(self, setup: Setup) -> "ForkedWorker":
        """Starts a worker.

        Raises:
            OSError: The system cannot start another process.
        """
        ours, theirs = socket.socketpair()
        output = os.memfd_create("earmark-worker")
        with theirs:
            pid = self._ask(_LAUNCH, pickle.dumps(setup), (theirs.fileno(), output))
        if pid < 0:
            os.close(output)
            ours.close()
            raise OSError(-pid, os.strerror(-pid))
        return ForkedWorker(self, pid, ours, output)

    def stop(self) -> None:
        """Ends the server and its workers."""
        atexit.unregister(self.stop)
        with self._lock:
            self._disconnect()

    def reap(self, pid: int) -> int:
        """The exit status of a worker that was killed or ended; of any, if the server is gone."""
        try:
            return self._ask(_REAP, pid, restart=False)
        except (OSError, EOFError):
            return -signal.SIGKILL

    def _ask(
        self,
        request: int,
        content: bytes | int,
        descriptors: tuple[int, ...] = (),
        *,
        restart: bool = True,
    ) -> int:
        number = len(content) if isinstance(content, bytes) else content
        with self._lock:
            for is_last in (not restart, True):
                control = self._connect()
                try:
                    socket.send_fds(control, [_REQUEST.pack(request, number)], descriptors)
                    if isinstance(content, bytes):
                        control.sendall(content)
                    if request == _PREPARE:
                        return 0
                    return int(_ANSWER.unpack(_receive(control, _ANSWER.size))[0])
                except (OSError, EOFError):
                    # The server was killed, perhaps because memory ran out.
                    self._disconnect()
                    if is_last:
                        raise
        raise AssertionError

    def _connect(self) -> socket.socket:
        if self._control is None or self._owner != os.getpid():
            # After a fork of this process the server is still that of the other one.
            self._control, theirs = socket.socketpair()
            with theirs:
                descriptor = theirs.fileno()
                self._process = start_python(
                    "earmark.system.workers.fork_server:run", descriptor, descriptors=(descriptor,)
                )
            self._owner = os.getpid()
            atexit.register(self.stop)
        return self._control

    def _disconnect(self) -> None:
        if self._owner == os.getpid() and self._control and self._process:
            self._control.close()
            self._process.wait()
        self._control = self._process = None


class ForkedWorker:
    """A `WorkerProcess` that the server has forked."""

    def __init__(self, server: ForkServer, pid: int, channel: socket.socket, output: int) -> None:
        self._server, self._pid, self._channel, self._output = server, pid, channel, output
        self._lock = threading.Lock()
        self._status: int | None = None
        self.last_output = ""
        self.requests: IO[bytes] = channel.makefile("wb")
        self.replies: IO[bytes] = channel.makefile("rb")

    def kill(self) -> None:
        """As `WorkerProcess.kill`."""
        with self._lock:
            if self._status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)

    def close(self) -> int:
        """As `WorkerProcess.close`."""
        self.kill()
        with self._lock:
            if self._status is None:
                self._status = self._server.reap(self._pid)
                text = os.pread(self._output, OUTPUT_BYTES, 0).decode(errors="replace")
                self.last_output = (text.strip().splitlines() or [""])[-1]
                os.close(self._output)
                close_pipes(self)
                self._channel.close()
            return self._status


fork_server = ForkServer()
"""The one of this process."""


def start_early(*modules: str) -> None:
    """Has modules imported for later workers while this process imports its own.

    A command that starts many files calls it first: the two then take no longer than one.
    """
    if CAN_FORK:
        fork_server.prepare(*modules)


def run(descriptor: int) -> None:
    """The server: answers requests until the socket closes."""
    control = socket.socket(fileno=descriptor)
    children: set[int] = set()
    work_of: dict[bytes, Work | Exception] = {}
    try:
        while True:
            _answer(control, children, work_of)
    except (EOFError, OSError):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def _answer(
    control: socket.socket, children: set[int], work_of: dict[bytes, Work | Exception]
) -> None:
    head, descriptors, _, _ = socket.recv_fds(control, _REQUEST.size, 2)
    request, number = _REQUEST.unpack(head + _receive(control, _REQUEST.size - len(head)))
    if request == _REAP:
        _, status = os.waitpid(number, 0)
        children.discard(number)
        control.sendall(_ANSWER.pack(os.waitstatus_to_exitcode(status)))
        return
    content = _receive(control, number)
    if request == _PREPARE:
        sys.path[:], modules = pickle.loads(content)
        for name in modules:
            with contextlib.suppress(ImportError):  # The worker that needs it will say so.
                import_module(name)
        return
    setup: Setup = pickle.loads(content)
    if content not in work_of:
        work_of.clear()
        work_of[content] = load_work(setup)
        # What is not looked at by the collector of cycles stays shared with the workers.
        gc.freeze()
    pid = _fork(control, setup, work_of[content], descriptors)
    if pid > 0:
        children.add(pid)
    control.sendall(_ANSWER.pack(pid))


def _fork(
    control: socket.socket, setup: Setup, work: Work | Exception, descriptors: list[int]
) -> int:
    """The process id of a new worker, or the negative number of the system's error."""
    channel, output = descriptors
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid == 0:
        try:
            control.close()
            os.dup2(output, 2)
            with os.fdopen(os.dup(channel), "rb") as requests, os.fdopen(channel, "wb") as replies:
                serve(requests, replies, setup, work)
        except BaseException:  # noqa: BLE001 - nothing above may go on
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(channel)
    os.close(output)
    return pid


def _receive(control: socket.socket, num_bytes: int) -> bytes:
    content = bytearray()
    while len(content) < num_bytes:
        part = control.recv(num_bytes - len(content))
        if not part:
            raise EOFError
        content += part
    return bytes(content)
