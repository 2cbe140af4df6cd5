"""Ogg files without a decoder: their pages, and the recordings that they form.

Source:
    RFC 3533, sections 4 and 6.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO, NamedTuple

_PAGE = b"OggS"
_HEADER_BYTES = 27
_SEARCH_BYTES = 1 << 16
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_PROBES = 3
_PROBED_BYTES = 1 << 17
"""More than a page takes."""
_FEWEST_SERIALS = 1 << 16
"""Smaller serial numbers are likely to be counted, so that different streams have the same."""
NO_GRANULE = (1 << 64) - 1


_FLAC_HEAD = b"\x7fFLAC"
_FLAC_BYTES = 51


class Page(NamedTuple):
    """A page: where it and its content are, and what its header says."""

    extent: range
    content: int
    flags: int
    granule: int
    serial: int
    number: int


class Declared(NamedTuple):
    """What the header of FLAC in Ogg declares."""

    num_samples: int
    sample_rate: int


@dataclass
class Link:
    """One recording of an Ogg file.

    Args:
        start: Position of its first page.
        end: Position after its last complete page.
        serials: Its streams; more than one where others run beside the sound.
        open_serials: Those whose last page is missing.
        declared: What its header declares; None if nothing.
        num_samples: The position that its last page states, in samples.
    """

    start: int
    end: int
    serials: set[int] = field(default_factory=set)
    open_serials: set[int] = field(default_factory=set)
    declared: Declared | None = None
    num_samples: int = 0


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
            found[-1].declared = _flac_declared(file, page) or found[-1].declared
        in_head = bool(page.flags & _FIRST)
        if found:
            found[-1].end = page.extent.stop
            if page.granule != NO_GRANULE:
                found[-1].num_samples = max(found[-1].num_samples, page.granule)
            if page.flags & _LAST:
                found[-1].open_serials.discard(page.serial)
    return found


def probed_link(file: BinaryIO, size: int) -> Link | None:
    """The only recording of a file of which some places are read, for one that lies far away.

    These are its start, its end and some between: they have to be pages of one stream, whose
    numbers and positions increase. Streams that were joined have different serial numbers, which
    are random, or are copies of one file, so that their numbers start again.

    Args:
        file: The file.
        size: Its length in bytes.

    Returns:
        None where only `links`, which reads all pages, can tell.
    """
    seen = list(_pages_from(file, 0, size, _PROBED_BYTES))
    for part in range(1, _PROBES + 1):
        start = _next_page(file, part * size // (_PROBES + 1))
        seen.extend(itertools.islice(_pages_from(file, start, size, _PROBED_BYTES), 2))
    seen.extend(_pages_from(file, _next_page(file, max(size - _PROBED_BYTES, 0)), size, size))
    in_order = sorted(set(seen), key=lambda page: page.extent.start)
    first, last = (in_order[0], in_order[-1]) if in_order else (None, None)
    if first is None or last is None or first.serial < _FEWEST_SERIALS:
        return None
    granules = [page.granule for page in in_order if page.granule != NO_GRANULE]
    is_one = (
        first.extent.start == first.number == 0
        and last.extent.stop == size
        and bool(last.flags & _LAST)
        and {page.serial for page in in_order} == {first.serial}
        and [page for page in in_order if page.flags & _FIRST] == [first]
        and all(one.number < other.number for one, other in pairwise(in_order))
        and granules == sorted(granules)
    )
    if not is_one:
        return None
    declared = _flac_declared(file, first)
    return Link(0, size, {first.serial}, set(), declared, max(granules, default=0))


def pages(file: BinaryIO, size: int) -> Iterator[Page]:
    """The complete pages of a file, whatever lies between them."""
    return _pages_from(file, 0, size, size)


def _pages_from(file: BinaryIO, position: int, size: int, num_bytes: int) -> Iterator[Page]:
    """Those that start within some bytes from a position."""
    stop = position + num_bytes
    while position < stop and position + _HEADER_BYTES <= size:
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
            position + _HEADER_BYTES + len(lengths),
            header[5],
            int.from_bytes(header[6:14], "little"),
            int.from_bytes(header[14:18], "little"),
            int.from_bytes(header[18:22], "little"),
        )
        position = end


def _flac_declared(file: BinaryIO, page: Page) -> Declared | None:
    """Length and rate in the first page of FLAC in Ogg; None if it holds or declares no FLAC."""
    file.seek(page.content)
    head = file.read(_FLAC_BYTES)
    if not head.startswith(_FLAC_HEAD) or len(head) < _FLAC_BYTES:
        return None
    # After the mark, version and number of headers, the native mark and the head of its block.
    fields = int.from_bytes(head[27:35])
    num_samples, sample_rate = fields & (1 << 36) - 1, fields >> 44
    return Declared(num_samples, sample_rate) if num_samples and sample_rate else None


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
