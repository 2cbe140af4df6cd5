"""Ranges of a file, and bytes that stand for others, read as one file by a decoder."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import AudioError
from earmark.system.seekable import SeekableFile

Piece = bytes | range
"""Bytes as they are, or positions in the file."""


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file to read its bytes.

    Raises:
        AudioError: It cannot be opened.
    """
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name.
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be read: {reason}", "missing") from None


class PiecedFile(SeekableFile):
    """A file made of pieces of another, for decoders that read through callbacks.

    Args:
        file: The file that ranges refer to; several pieced files may share it.
        pieces: In order.
        beyond: Length, in bytes, that the file pretends to have after its pieces. A decoder that
            estimates the length of the sound from that of the file then reads to the end. The last
            `TAG_BYTES` of it read as zeros, because libmpg123 looks for a tag there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryFile() as file:
        ...     _ = file.write(b"0123456789")
        ...     PiecedFile(file, [b"ab", range(2, 4), range(7, 9)]).read()
        b'ab2378'
    """

    TAG_BYTES = 128

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], beyond: int = 0) -> None:
        self._file = file
        self._pieces = [piece for piece in pieces if len(piece)]
        self._ends = list(accumulate(map(len, self._pieces)))
        self._held = self._ends[-1] if self._ends else 0
        super().__init__(self._held + beyond)
        self.error: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as the pieces reach.

        A callback of a decoder cannot raise: an error ends the file here and stays in `error`.
        """
        done = 0
        try:
            while done < len(buffer) and (content := self._next(len(buffer) - done)):
                buffer[done : done + len(content)] = content
                done += len(content)
                self._position += len(content)
        except OSError as error:
            self.error = error
        return done

    def _next(self, num_bytes: int) -> bytes:
        """Bytes at the position, at most a number of them, from one piece."""
        number = bisect_right(self._ends, self._position)
        if number == len(self._pieces):
            in_tag = self._size - self.TAG_BYTES <= self._position < self._size
            beyond = self._size > self._held
            return bytes(min(num_bytes, self._size - self._position)) if beyond and in_tag else b""
        piece = self._pieces[number]
        start = self._position - (self._ends[number] - len(piece))
        if isinstance(piece, bytes):
            return piece[start : start + num_bytes]
        self._file.seek(piece.start + start)
        return self._file.read(min(num_bytes, len(piece) - start))
