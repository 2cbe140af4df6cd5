"""Ogg files without a decoder: their pages, and the recordings that they form.

Source:
    RFC 3533, sections 4 and 6.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

_PAGE = b"OggS"
_HEADER_BYTES = 27
_SEARCH_BYTES = 1 << 16
_CONTINUED, _FIRST, _LAST = 1, 2, 4
NO_GRANULE = (1 << 64) - 1


class Page(NamedTuple):
    """A page: where it is and what its header says."""

    extent: range
    flags: int
    granule: int
    serial: int


@dataclass
class Link:
    """One recording of an Ogg file.

    Args:
        start: Position of its first page.
        end: Position after its last complete page.
        serials: Its streams; more than one where others run beside the sound.
        open_serials: Those whose last page is missing.
    """

    start: int
    end: int
    serials: set[int] = field(default_factory=set)
    open_serials: set[int] = field(default_factory=set)


def links(file: BinaryIO, size: int) -> list[Link]:
    """The recordings of an Ogg file; each starts with the first pages of its streams."""
    found: list[Link] = []
    in_head = False
    for page in pages(file, size):
        if page.flags & _FIRST:
            if not in_head:
                found.append(Link(page.extent.start, page.extent.stop))
            found[-1].serials.add(page.serial)
            found[-1].open_serials.add(page.serial)
        in_head = bool(page.flags & _FIRST)
        if found:
            found[-1].end = page.extent.stop
            if page.flags & _LAST:
                found[-1].open_serials.discard(page.serial)
    return found


def pages(file: BinaryIO, size: int) -> Iterator[Page]:
    """The complete pages of a file, whatever lies between them."""
    position = 0
    while position + _HEADER_BYTES <= size:
        file.seek(position)
        header = file.read(_HEADER_BYTES)
        if not header.startswith(_PAGE):
            position = _next_page(file, position + 1)
            continue
        lengths = file.read(header[26])
        end = position + _HEADER_BYTES + len(lengths) + sum(lengths)
        if end > size:
            position = _next_page(file, position + 1)
            continue
        yield Page(
            range(position, end),
            header[5],
            int.from_bytes(header[6:14], "little"),
            int.from_bytes(header[14:18], "little"),
        )
        position = end


def _next_page(file: BinaryIO, position: int) -> int:
    """Where the next page may start; past the end if there is none."""
    while True:
        file.seek(position)
        block = file.read(_SEARCH_BYTES)
        at = block.find(_PAGE)
        if at >= 0:
            return position + at
        if len(block) < _SEARCH_BYTES:
            return position + len(block) + _HEADER_BYTES
        position += len(block) - len(_PAGE) + 1
