"""How much the structure of a container says that the file holds, whatever a decoder makes of it.

A file that was cut still opens; only the sizes in its structure tell that its end is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_EBML_HEADER = 0x1A45DFA3
_SEGMENT = 0x18538067
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_PLAY_DURATION, _ASF_PREROLL, _ASF_FLAGS = 64, 80, 88
"""Where these are in that object; the first flag says that sizes and durations are not set."""
_SIDX_BYTES = 56
"""An index of segments that lists more than the one after it is at least that large."""
_LARGEST = 1 << 62
_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class Extent:
    """What a container declares.

    Args:
        num_bytes: Size of the file; None where the writer did not know it.
        has_duration: Whether its duration was written when it was complete.
        seconds: That duration, where FFmpeg does not report it as it is.
    """

    num_bytes: int | None = None
    has_duration: bool = True
    seconds: float | None = None


def read_extent(path: Path, format_name: str) -> Extent:
    """Reads the structure of a container.

    Args:
        path: The file.
        format_name: FFmpeg's name of its format.

    Source:
        ISO/IEC 14496-12, section 4.2; RFC 8794, section 4 and 6; Advanced Systems Format (ASF)
        Specification, sections 2.1 and 3.2.
    """
    with path.open("rb") as file:
        if "mov" in format_name:
            return _iso_extent(file, path.stat().st_size)
        if "matroska" in format_name:
            return Extent(_matroska_bytes(file))
        if "asf" in format_name:
            return _asf_extent(file, path.stat().st_size)
    return Extent()


def _iso_extent(file: BinaryIO, num_bytes: int) -> Extent:
    """The end of the last box; unknown for fragments without the index that closes them."""
    kinds, end = set[bytes](), 0
    has_duration = True
    for kind, start, end in _iso_boxes(file, num_bytes):
        if kind != b"sidx" or end - start >= _SIDX_BYTES:
            kinds.add(kind)
        if kind == b"moov":
            file.seek(start)
            movie = file.read(min(end - start, _HEADER_BYTES))
            has_duration = b"mvex" not in movie or b"mehd" in movie
    has_duration |= b"sidx" in kinds
    is_open = end == _LARGEST or (b"moof" in kinds and not kinds & {b"mfra", b"sidx"})
    is_cut = num_bytes < end < _LARGEST
    return Extent(None if is_open and not is_cut else end, has_duration)


def _iso_boxes(file: BinaryIO, num_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each outermost box; `_LARGEST` for the end of an open one."""
    start = 0
    while start < num_bytes:
        file.seek(start)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4]), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16])
        elif size == 0:
            size = _LARGEST - start
        # Anything else after the last box is no concern of players.
        if size < 8 or len(kind) < 4 or not all(32 <= byte < 127 or byte == 169 for byte in kind):
            return
        yield kind, start, start + size
        start += size


def _matroska_bytes(file: BinaryIO) -> int | None:
    """The end of the segment."""
    head = file.read(_HEADER_BYTES)
    at = 0
    while at + 12 < len(head):
        identifier, at = _ebml_number(head, at, keeps_marker=True)
        size, at = _ebml_number(head, at)
        if identifier == _SEGMENT:
            return None if size is None else at + size
        if identifier != _EBML_HEADER or size is None:
            return None
        at += size
    return None


def _ebml_number(content: bytes, at: int, *, keeps_marker: bool = False) -> tuple[int | None, int]:
    """A number of variable length and where it ends; None if all its bits are set: unknown."""
    length = 9 - content[at].bit_length()
    if length > 8:
        return None, at + 1
    value = int.from_bytes(content[at : at + length])
    bits = 7 * length
    if not keeps_marker:
        value &= (1 << bits) - 1
        if value == (1 << bits) - 1:
            return None, at + length
    return value, at + length


def _asf_extent(file: BinaryIO, num_bytes: int) -> Extent:
    """The end of the last object; unknown where the header is that of a broadcast."""
    start, is_broadcast, seconds = 0, False, None
    while start + 24 <= num_bytes:
        file.seek(start)
        head = file.read(24)
        size = int.from_bytes(head[16:], "little")
        if head[:16] == _ASF_HEADER:
            file.seek(start)
            header = file.read(min(size, _HEADER_BYTES))
            fields = header[max(header.find(_ASF_FILE_PROPERTIES), 0) :]
            ticks, preroll, flags = (
                int.from_bytes(fields[at : at + 8], "little")
                for at in (_ASF_PLAY_DURATION, _ASF_PREROLL, _ASF_FLAGS)
            )
            is_broadcast = bool(flags & 1)
            seconds = ticks / 1e7 - preroll / 1e3
        if size < 24 or size > _LARGEST:
            break
        start += size
    return Extent(None if is_broadcast else start, not is_broadcast, seconds)
