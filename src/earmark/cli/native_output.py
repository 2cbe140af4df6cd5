"""Keeps the messages of C libraries out of what a command prints.

libmpg123, libsndfile and others write notes about damaged files to the descriptors 1 and 2 of the
process, that is into a progress bar, or before a JSON document.
"""

import faulthandler
import io
import os
import sys

STDOUT, STDERR = 1, 2


def hide_native_output() -> None:
    """Leads what is written past Python to nowhere, until the process ends.

    The standard streams of Python go on as before, on descriptors of their own. If a library
    crashes the process, the traceback of Python still goes to standard error.

    It is for the command line only, which owns its process. Streams that Python does not write to
    these descriptors, as those of a notebook or a test, stay as they are.
    """
    streams = [
        (name, descriptor)
        for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR))
        if _is_on(getattr(sys, name), descriptor)
    ]
    if not streams:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for name, descriptor in streams:
        setattr(sys, name, _on_a_copy(getattr(sys, name), descriptor))
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    faulthandler.enable(sys.stderr)


def _is_on(stream: object, descriptor: int) -> bool:
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == descriptor
    except (OSError, ValueError):  # It has no descriptor, or is closed.
        return False


def _on_a_copy(stream: io.TextIOWrapper, descriptor: int) -> io.TextIOWrapper:
    """The same stream on a copy of its descriptor, which stays open to the end of the process."""
    stream.flush()
    buffering = 0 if stream.write_through else -1
    return io.TextIOWrapper(
        os.fdopen(os.dup(descriptor), "wb", buffering, closefd=False),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
