"""The inside of a worker process: items come in through a pipe, replies go out through another.

Nothing but pickled objects goes through the pipes. What native code writes to standard output
leads nowhere, and standard error to the file that the parent may read when the worker has died.
"""

import contextlib
import logging
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from earmark.system.memory import keep_freed_memory

Send = Callable[[Any], None]
"""Sends a part of a result early; None is a sign of life only."""
Work = Callable[[Any, Send], Any]
"""From an item to the last part of its result; the parts before are sent."""
Kind = Literal["ready", "part", "alive", "done", "error", "memory", "log"]

OUTPUT_BYTES = 1 << 19
"""A worker's standard error may hold so much, and any other file that it writes."""
ALIVE_SECONDS = 1.0
"""Signs of life are sent at most so often."""


class Setup(NamedTuple):
    """What a worker needs to start.

    Args:
        work: The pickled `Work`.
        path: Where modules are imported from.
        folder: The working folder, if there is one.
        log_level: Of the messages of earmark.
        memory_bytes: How much memory a worker may take; None for any amount.
    """

    work: bytes
    path: list[str]
    folder: str | None
    log_level: int
    memory_bytes: int | None


class Reply(NamedTuple):
    """What a worker sends: parts, at last ``done``, ``error`` or ``memory``; messages between."""

    kind: Kind
    value: Any = None


_channels: list["_Channel"] = []
"""Of a worker process, the way to its parent; elsewhere none."""


def sign_of_life() -> None:
    """In a worker process, has the parent know that the work goes on: it waits for a server."""
    for channel in _channels:
        channel.send(None)


def load_work(setup: Setup) -> Work | Exception:
    """The work of a worker, or why it cannot be loaded."""
    sys.path[:] = setup.path
    try:
        return pickle.loads(setup.work)
    except Exception as error:  # noqa: BLE001 - sent to the parent
        return portable(error)


def serve(requests: BinaryIO, replies: BinaryIO, setup: Setup, work: Work | Exception) -> None:
    """Works on items until there are no more, or until memory runs out.

    Args:
        requests: Pickled lists of items.
        replies: Takes pickled replies.
        setup: As the parent sent it.
        work: From `load_work`.
    """
    if setup.folder is not None:
        os.chdir(setup.folder)
    keep_freed_memory()
    _limit(setup.memory_bytes)
    channel = _Channel(replies)
    _channels[:] = [channel]
    logger = logging.getLogger("earmark")
    logger.addHandler(_Forward(channel))
    logger.propagate = False
    logger.setLevel(setup.log_level)
    if isinstance(work, Exception):
        channel.reply("error", work)
        channel.flush()
        return
    channel.reply("ready")
    channel.flush()
    while True:
        try:
            items = pickle.load(requests)
        except EOFError:
            return
        for item in items:
            _clear_output()
            try:
                channel.reply("done", work(item, channel.send))
            except MemoryError:
                # What is left of the memory would not do for the next item.
                channel.reply("memory")
                channel.flush()
                return
            except Exception as error:  # noqa: BLE001 - raised again by the parent
                channel.reply("error", portable(error))
        channel.flush()


class _Channel:
    """The way to the parent."""

    def __init__(self, replies: BinaryIO) -> None:
        self._replies = replies
        self._flushed_at = time.monotonic()

    def send(self, part: Any) -> None:
        if part is not None:
            self.reply("part", part)
            self.flush()
        elif time.monotonic() - self._flushed_at > ALIVE_SECONDS:
            self.reply("alive")

    def reply(self, kind: Kind, value: Any = None) -> None:
        self._replies.write(pickle.dumps(Reply(kind, value), pickle.HIGHEST_PROTOCOL))
        if time.monotonic() - self._flushed_at > ALIVE_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._replies.flush()
        self._flushed_at = time.monotonic()


class _Forward(logging.Handler):
    """Sends log records to the parent, which handles them as its own."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self._channel.reply("log", record)


def portable(error: Exception) -> Exception:
    """An error that can be pickled, with its traceback as a note.

    Args:
        error: As it was raised.
    """
    text = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In a worker process:\n{text}")
    return error


def _limit(memory_bytes: int | None) -> None:
    """Limits what this process takes from now on, where the system can."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: OUTPUT_BYTES}
    if memory_bytes is not None:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        limits[resource.RLIMIT_AS] = pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes
    for name, value in limits.items():
        _, hard = resource.getrlimit(name)
        resource.setrlimit(name, (value if hard < 0 else min(value, hard), hard))


def _clear_output() -> None:
    # So that its last line is about the item at hand; not every system has it in a file.
    with contextlib.suppress(OSError):
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)
