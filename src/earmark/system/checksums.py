r"""Lines of JSON with a checksum, so that damage to a file is noticed.

::

    ["c2e0dcb0d6b51b2a", {"key": "aa", "offset": 0}]

A line without one, as earlier versions wrote it, begins with a brace: no damage to a character or
two makes the one form the other.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

_CONTENT = slice(len('["0123456789abcdef", '), -1)


class Line(NamedTuple):
    """A line that was read.

    Args:
        content: What it holds.
        has_checksum: Whether it has one, which is right; otherwise it is of an earlier version.
    """

    content: dict[str, Any]
    has_checksum: bool


def checksum(content: bytes | memoryview) -> int:
    """The 64-bit XXH3 digest of some bytes."""
    return xxhash.xxh3_64_intdigest(content)


def checked_line(content: Mapping[str, Any]) -> bytes:
    r"""A line of JSON with its checksum.

    Args:
        content: What the line holds.

    Example:
        >>> checked_line({"key": "aa"})
        b'["fed25dc9843280bf", {"key": "aa"}]\n'
    """
    return _with_checksum(json.dumps(content).encode()) + b"\n"


def read_lines(path: Path) -> Iterator[Line]:
    """The lines that were written whole and are not damaged; none if there is no such file.

    Args:
        path: A file of lines as `checked_line` makes them, or of plain JSON objects.

    Raises:
        OSError: The file is there but cannot be read.
    """
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        has_checksum = line.startswith(b"[")
        text = line[_CONTENT] if has_checksum else line
        if has_checksum and line != _with_checksum(text):
            continue
        try:
            content = json.loads(text)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield Line(content, has_checksum)


def append_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Appends lines in one write, apart from a torn one that another process may have left.

    Args:
        path: The file; missing folders are created.
        lines: As from `checked_line`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            lines = lines if file.read(1) == b"\n" else (b"\n", *lines)
        file.write(b"".join(lines))
        os.fsync(file.fileno())


def _with_checksum(text: bytes) -> bytes:
    return b'["%016x", %s]' % (checksum(text), text)
