"""What the header of an uncompressed file declares: where its sound lies and how much there is.

Source:
    RIFF and AIFF-C specifications; EBU Tech 3306 for RF64; Sony Wave64; Apple Core Audio Format;
    the NIST SPHERE header.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, NamedTuple

from earmark.audio.formats.pieces import Piece
from earmark.audio.formats.tags import is_tag

STREAMED_BYTES = 0x7FFF_0000
"""A larger declared size is the placeholder of a writer that did not know the length."""
_LONGEST_HEADER = 1 << 24
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
_AU_MAGIC, _NIST_MAGIC, _VOC_MAGIC = b".snd", b"NIST_1A", b"Creative Voice File\x1a"
_VOC_TYPES, _VOC_SOUND = range(1, 10), (1, 2, 9)
_NIST_BYTES = 1024
_LONG_PLACEHOLDER = 1 << 62
_NIST_FIELD = re.compile(rb"^(\w+) -i (\d+)", re.M)


@dataclass(frozen=True)
class _Chunks:
    """How the chunks of a family of formats are laid out.

    Args:
        first: Position of the first chunk.
        name: Name of the chunk with the sound.
        name_bytes: Length of a chunk's name.
        size_bytes: Length of its size.
        order: Byte order of the size.
        counts_header: Whether a size includes the chunk's name and size.
        alignment: What the position of a chunk is a multiple of.
        riff_at: Position of the size of the whole file; None where there is none.
        riff_base: What this size is counted from.
        before: Bytes of the chunk's content before the sound.
    """

    first: int
    name: bytes
    name_bytes: int = 4
    size_bytes: int = 4
    order: Literal["little", "big"] = "little"
    counts_header: bool = False
    alignment: int = 2
    riff_at: int | None = 4
    riff_base: int = 8
    before: int = 0

    @property
    def header_bytes(self) -> int:
        return self.name_bytes + self.size_bytes


_RIFF = _Chunks(12, b"data")
_AIFF = _Chunks(12, b"SSND", order="big", before=8)
_CAF = _Chunks(8, b"data", 4, 8, "big", alignment=1, riff_at=None, before=4)
_W64 = _Chunks(40, _W64_DATA, 16, 8, "little", True, 8, riff_at=16, riff_base=0)
_FAMILIES = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"RIFX": _Chunks(12, b"data", order="big"),
    b"FORM": _AIFF,
    b"caff": _CAF,
    _W64_RIFF: _W64,
}
_DS64_RIFF, _DS64_DATA = 20, 28


class SizeField(NamedTuple):
    """A size in a header: where it is, how long, and the position it is counted from."""

    at: int
    num_bytes: int
    order: Literal["little", "big"]
    base: int


@dataclass(frozen=True)
class Layout:
    """Where the sound of one recording lies in a file.

    Args:
        extent: Positions of the recording.
        sound: Position of its sound.
        declared: Bytes of sound that the header declares; None where it holds a placeholder.
        fields: The sizes in its header, relative to its start.
        num_stray: Bytes at the end that the header does not account for.
    """

    extent: range
    sound: int
    declared: int | None
    fields: tuple[SizeField, ...] = ()
    num_stray: int = 0

    @property
    def held(self) -> int:
        """Bytes of sound that there are."""
        there = self.extent.stop - self.sound
        return there if self.declared is None else min(self.declared, there)

    def closed(self, file: BinaryIO) -> list[Piece]:
        """The recording as if its writer had filled in the sizes."""
        file.seek(self.extent.start)
        header = bytearray(file.read(self.sound - self.extent.start))
        for at, num_bytes, order, base in self.fields:
            size = min(len(self.extent) - base, (1 << 8 * num_bytes) - 1)
            header[at : at + num_bytes] = size.to_bytes(num_bytes, order)
        return [bytes(header), range(self.sound, self.extent.stop)]


def layouts(file: BinaryIO, size: int) -> list[Layout]:
    """The recordings in a file; empty if its format is another or its header damaged.

    There is more than one where files were joined end to end.
    """
    found: list[Layout] = []
    start = 0
    while start < size and (layout := _layout(file, range(start, size))):
        found.append(layout)
        start = layout.extent.stop
    return found


def _layout(file: BinaryIO, extent: range) -> Layout | None:
    file.seek(extent.start)
    head = file.read(_NIST_BYTES)
    if head.startswith(_AU_MAGIC):
        return _au(file, head, extent)
    if head.startswith(_NIST_MAGIC):
        return _nist(head, extent)
    if head.startswith(_VOC_MAGIC):
        return _voc(file, head, extent)
    family = _family(head)
    if family is None:
        return None
    chunks = _chunks(file, family, extent.start + family.first, extent.stop)
    for content, name, length in chunks:
        if name == family.name:
            return _chunked(file, family, content, length, extent)
        if content - extent.start > _LONGEST_HEADER:
            break
    return None


def _family(head: bytes) -> _Chunks | None:
    return _FAMILIES.get(head[:4]) or _FAMILIES.get(head[:16])


def _chunks(
    file: BinaryIO, family: _Chunks, position: int, stop: int
) -> Iterator[tuple[int, bytes, int]]:
    """For each chunk: where its content starts, its name, and its declared length."""
    while position + family.header_bytes <= stop:
        file.seek(position)
        header = file.read(family.header_bytes)
        length = int.from_bytes(header[family.name_bytes :], family.order)
        if family.counts_header:
            length = max(length - family.header_bytes, 0)
        content = position + family.header_bytes
        yield content, header[: family.name_bytes], length
        position = content + length + -length % family.alignment


def _chunked(file: BinaryIO, family: _Chunks, content: int, length: int, extent: range) -> Layout:
    """The layout of a recording whose sound is in a chunk."""
    base = content - extent.start
    counted_from = base - (family.header_bytes if family.counts_header else 0)
    fields = [SizeField(base - family.size_bytes, family.size_bytes, family.order, counted_from)]
    if family.riff_at is not None:
        riff = SizeField(family.riff_at, family.size_bytes, family.order, family.riff_base)
        fields.append(riff)
    long = _ds64_bytes(file, extent.start) if family is _RIFF else None
    if long is not None:
        length = long
        fields = [SizeField(_DS64_RIFF, 8, "little", 8), SizeField(_DS64_DATA, 8, "little", base)]
    sound, declared = content + family.before, max(length - family.before, 0)
    is_long = family.size_bytes == 8 or long is not None
    if content + length > extent.stop and length >= (
        _LONG_PLACEHOLDER if is_long else STREAMED_BYTES
    ):
        return Layout(extent, sound, None, tuple(fields))
    after = content + length + -length % family.alignment
    end, num_stray = _end(file, family, after, extent.stop)
    if not declared and num_stray:
        return Layout(extent, sound, None, tuple(fields))
    return Layout(range(extent.start, end), sound, declared, tuple(fields), num_stray)


def _ds64_bytes(file: BinaryIO, start: int) -> int | None:
    """The size of the sound in the ds64 chunk of RF64; None without one."""
    file.seek(start)
    head = file.read(_DS64_DATA + 8)
    if head[:4] == b"RIFF" or head[12:16] != b"ds64":
        return None
    return int.from_bytes(head[_DS64_DATA:], "little")


def _end(file: BinaryIO, family: _Chunks, position: int, stop: int) -> tuple[int, int]:
    """Where a recording ends after its sound, and how many bytes from there are no chunks."""
    while position < stop:
        file.seek(position)
        head = file.read(16)
        if _family(head) or head.startswith(_AU_MAGIC):
            return position, 0
        if is_tag(head):
            return stop, 0
        content, name, length = next(_chunks(file, family, position, stop), (stop, b"\0", 0))
        text = name[:4]
        is_chunk = text.isascii() and text.decode().isprintable() and content + length <= stop
        # Decoders read one of several chunks of sound, not all of them.
        if not is_chunk or name == family.name:
            return stop, stop - position
        position = content + length + -length % family.alignment
    return stop, 0


def _au(file: BinaryIO, head: bytes, extent: range) -> Layout:
    offset, length = (int.from_bytes(head[at : at + 4]) for at in (4, 8))
    sound = extent.start + offset
    fields = (SizeField(8, 4, "big", offset),)
    if sound < extent.stop and (length == 0 or STREAMED_BYTES <= length > extent.stop - sound):
        return Layout(extent, sound, None, fields)
    after = sound + length
    file.seek(after)
    following = file.read(4)
    if following == _AU_MAGIC:
        return Layout(range(extent.start, after), sound, length, fields)
    return Layout(extent, sound, length, fields, max(extent.stop - after, 0))


def _nist(head: bytes, extent: range) -> Layout | None:
    sizes = {name: int(value) for name, value in _NIST_FIELD.findall(head)}
    if b"sample_count" not in sizes or not head[8:16].strip().isdigit():
        return None
    # Coded samples, as of telephones, have one byte each and may leave out the field.
    frame = sizes.get(b"channel_count", 1) * sizes.get(b"sample_n_bytes", 1)
    return Layout(extent, extent.start + int(head[8:16]), sizes[b"sample_count"] * frame)


def _voc(file: BinaryIO, head: bytes, extent: range) -> Layout | None:
    sound = extent.start + int.from_bytes(head[20:22], "little")
    ends = [end for _, end in _voice_blocks(file, sound, extent.stop)]
    return Layout(extent, sound, ends[-1] - sound if ends else 0)


def has_voice_blocks(file: BinaryIO, head: bytes, size: int) -> bool:
    """Whether a file is a Creative Voice File whose sound is in several blocks.

    Args:
        file: The file.
        head: Its first 22 bytes or more.
        size: Its length in bytes.
    """
    if not head.startswith(_VOC_MAGIC):
        return False
    blocks = _voice_blocks(file, int.from_bytes(head[20:22], "little"), size)
    return sum(kind in _VOC_SOUND for kind, _ in blocks) > 1


def _voice_blocks(file: BinaryIO, position: int, stop: int) -> Iterator[tuple[int, int]]:
    """Types of blocks and where they end: a byte of type and three of size are before each."""
    while position + 4 <= stop:
        file.seek(position)
        kind, *size = file.read(4)
        # Some writers count a block too short; what follows is then no block.
        if kind not in _VOC_TYPES:
            return
        position += 4 + int.from_bytes(bytes(size), "little")
        yield kind, position
