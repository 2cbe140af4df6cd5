"""MPEG audio (mp3, mp2, mp1) without a decoder: its frames, and the recordings they form.

Decoders guess the length of a file without an Info frame from its first frame, and stop at what
stands between two recordings that were joined. A walk over the frame headers knows better.

Source:
    ISO/IEC 11172-3 and 13818-3 for the frame header, id3.org for ID3v2, and the "Mp3 Info Tag
    rev 1" for the Xing, Info and LAME fields.
"""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from earmark.audio.formats.tags import tag_bytes

INDEX_STEP = 32
"""Frames from one entry of `Recording.index` to the next."""
DECODER_DELAY = 529
"""Samples that a decoder of layer III is late, beside the delay of the encoder."""

_RATES = (44_100, 48_000, 32_000)
_KILOBITS: dict[tuple[bool, int], tuple[int, ...]] = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HEAD_BYTES = 256
_INFO_OFFSETS = (36, 21, 13, 38, 23, 15)
"""Where the mark of an Info frame may stand: after the side information, and perhaps a checksum."""
_VBRI_OFFSET = 36
_CANDIDATE = re.compile(rb"\xff[\xe2-\xff]|ID3[\x02-\x04]|APETAGEX")
_LONGEST_FREE_FRAME = 8192
_WINDOW_BYTES = 1 << 18


class Format(NamedTuple):
    """What all frames of a recording have in common."""

    layer: int
    sample_rate: int
    channels: int
    frame_samples: int


class Frame(NamedTuple):
    """A frame: its length in bytes, 0 where its header does not give it, and its format."""

    size: int
    padding: int
    format: Format


class Info(NamedTuple):
    """What an Info frame declares: frames, bytes with its own, and samples to drop.

    A number that is missing is 0; without a LAME field, the delay is None.
    """

    num_frames: int = 0
    num_bytes: int = 0
    delay: int | None = None
    padding: int = 0


@dataclass
class Recording:
    """Frames of one format that a decoder can read in one go.

    Args:
        format: Their format.
        info: What the Info frame before them declares.
        start: Position of the first frame in the file.
        index: Position of every `INDEX_STEP`-th frame.
        gaps: Positions between frames that hold something else.
        gap_frames: How many frames come before each of them.
        end: Position after the last frame.
        num_frames: Number of frames.
        is_cut: Whether the file ends inside of the next one.
    """

    format: Format
    info: Info | None
    index: "array[int]" = field(default_factory=lambda: array("q"))
    gaps: list[range] = field(default_factory=list)
    gap_frames: list[int] = field(default_factory=list)
    end: int = 0
    num_frames: int = 0
    is_cut: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it has as many frames as its Info frame declares."""
        return self.info is not None and 0 < self.info.num_frames <= self.num_frames

    @property
    def num_skipped(self) -> int:
        """Samples before the sound, from the encoder and the decoder."""
        if self.info is None or self.info.delay is None:
            return 0
        return min(self.info.delay + DECODER_DELAY, self._decoded)

    @property
    def num_samples(self) -> int:
        """Length of the sound."""
        length = self._decoded - self.num_skipped
        if self.info is not None and self.info.delay is not None and self.info.num_frames:
            declared = self.info.num_frames * self.format.frame_samples
            length = min(length, declared - self.info.delay - self.info.padding)
        return max(length, 0)

    @property
    def _decoded(self) -> int:
        return self.num_frames * self.format.frame_samples

    def add(self, position: int, size: int) -> None:
        """Appends a frame."""
        if self.num_frames and position > self.end:
            self.gaps.append(range(self.end, position))
            self.gap_frames.append(self.num_frames)
        if self.num_frames % INDEX_STEP == 0:
            self.index.append(position)
        self.num_frames += 1
        self.end = position + size

    def pieces(self, step: int) -> list[range]:
        """Positions of the frames from an entry of the index on, without gaps."""
        start, pieces = self.index[step], []
        for gap in self.gaps:
            if gap.start > start:
                pieces.append(range(start, gap.start))
            start = max(start, gap.stop)
        return [*pieces, range(start, self.end)]


def recordings(file: BinaryIO, extent: range) -> list[Recording]:
    """The recordings in a part of a file; an empty list if it holds no MPEG audio.

    A new one starts at an Info frame, after the frames that an Info frame declares, and where the
    format changes.
    """
    found: list[Recording] = []
    current: Recording | None = None
    for position, frame, head in frames(file, extent):
        info = _info(head) if frame.format.layer == 3 else None
        if current is None or info or frame.format != current.format or current.is_complete:
            current = Recording(frame.format, info)
            found.append(current)
        if info is None:
            current.add(position, frame.size)
    if current is not None and current.num_frames:
        file.seek(current.end)
        rest = file.read(min(4, extent.stop - current.end))
        frame = parse(rest)
        current.is_cut = frame is not None and frame.format == current.format
        current.is_cut |= 0 < len(rest) < 4 and rest.startswith(b"\xff")
    return found


def is_complete(file: BinaryIO, extent: range) -> bool:
    """Whether an Info frame comes first, declares all there is, and no frame follows after that.

    Decoders read such a file rightly.
    """
    file.seek(extent.start)
    head = file.read(_HEAD_BYTES)
    frame = parse(head[:4])
    info = _info(head) if frame and frame.format.layer == 3 else None
    if info is None or not info.num_frames or not info.num_bytes:
        return False
    end = extent.start + info.num_bytes
    return end <= extent.stop and not any(frames(file, range(end, extent.stop)))


def declared_frames(found: list[Recording]) -> Iterator[tuple[int, int]]:
    """For each Info frame that declares a number of frames: that, and how many there are."""
    for number, one in enumerate(found):
        if one.info is None or not one.info.num_frames:
            continue
        held = one.num_frames
        for other in found[number + 1 :]:
            if other.info is not None:
                break
            held += other.num_frames
        yield one.info.num_frames, held


def frames(file: BinaryIO, extent: range) -> Iterator[tuple[int, Frame, bytes]]:
    """Finds the frames: position, frame and first bytes of each; skips all else.

    Tags are skipped by their length, anything else up to the next place where three frames follow
    each other or the file ends.
    """
    window = _Window(file, extent)
    position, previous = extent.start, None
    while position + 4 <= extent.stop:
        head = window.read(position, _HEAD_BYTES)
        frame = window.frame(position, head)
        if frame and (frame.format == previous or window.is_followed(position, frame)):
            if position + frame.size > extent.stop:
                return
            yield position, frame, head
            position, previous = position + frame.size, frame.format
        else:
            position, previous = window.next_candidate(position, head), None


class _Window:
    """Reads a file a block at a time, and parses what it reads."""

    def __init__(self, file: BinaryIO, extent: range) -> None:
        self._file = file
        self._extent = extent
        self._start = extent.start
        self._block = b""
        self._free_size = 0

    def read(self, position: int, num_bytes: int) -> bytes:
        """Bytes at a position; fewer at the end of the file."""
        at = position - self._start
        if at < 0 or at + num_bytes > len(self._block):
            self._file.seek(position)
            left = max(self._extent.stop - position, 0)
            self._block = self._file.read(min(max(_WINDOW_BYTES, num_bytes), left))
            self._start, at = position, 0
        return self._block[at : at + num_bytes]

    def frame(self, position: int, head: bytes) -> Frame | None:
        """The frame at a position; None if there is none."""
        frame = parse(head[:4])
        if frame is None or frame.size:
            return frame
        return self._free_frame(position, head, frame)

    def is_followed(self, position: int, frame: Frame) -> bool:
        """Whether two frames of one format, a tag or the end of the file follow a frame."""
        following = frame
        for number in range(2):
            position += following.size
            if position >= self._extent.stop:
                return number > 0 or position == self._extent.stop
            head = self.read(position, _HEAD_BYTES)
            if head[:3] in (b"ID3", b"TAG", b"APE"):
                return True
            after = self.frame(position, head)
            if after is None or after.format != frame.format:
                return False
            following = after
        return True

    def next_candidate(self, position: int, head: bytes) -> int:
        """The first later position at which a frame or a tag may start."""
        length = tag_bytes(head)
        if length:
            return position + length
        position += 1
        while block := self.read(position, _WINDOW_BYTES // 2):
            found = _CANDIDATE.search(block)
            if found:
                return position + found.start()
            position += max(len(block) - 7, 1)
        return self._extent.stop

    def _free_frame(self, position: int, head: bytes, frame: Frame) -> Frame | None:
        """A frame of free format: as long as it is up to the next header like its own."""
        if self._free_size:
            size = self._free_size + frame.padding
            if parse(self.read(position + size, 4)) == frame:
                return frame._replace(size=size)
        block = self.read(position, _LONGEST_FREE_FRAME)
        at = 4
        while (at := block.find(head[:2], at)) > 0:
            after = parse(block[at : at + 4])
            if after and not after.size and after.format == frame.format:
                self._free_size = at - frame.padding
                return frame._replace(size=at)
            at += 1
        left = self._extent.stop - position
        is_last = self._free_size and left == self._free_size + frame.padding
        return frame._replace(size=left) if is_last else None


@lru_cache(maxsize=4096)
def parse(header: bytes) -> Frame | None:
    """The frame that starts with four bytes; None if none does.

    Example:
        >>> parse(bytes([0xFF, 0xFB, 0x90, 0x00])).size
        417
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kilobits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or kilobits == 15 or rate == 3:
        return None
    is_first = version == 3
    sample_rate = _RATES[rate] >> (0 if is_first else 1 if version == 2 else 2)
    samples = 384 if layer == 1 else 1152 if layer == 2 or is_first else 576
    unit = 4 if layer == 1 else 1
    padding = (header[2] >> 1 & 1) * unit
    size = 0
    if kilobits:
        bits = 1000 * _KILOBITS[is_first, layer][kilobits - 1]
        size = samples // 8 // unit * bits // sample_rate * unit + padding
    channels = 1 if header[3] >> 6 == 3 else 2
    return Frame(size, padding, Format(layer, sample_rate, channels, samples))


def _info(head: bytes) -> Info | None:
    """What an Info frame declares; None for a frame of sound."""
    if head[_VBRI_OFFSET : _VBRI_OFFSET + 4] == b"VBRI":
        at = _VBRI_OFFSET + 14
        return Info(int.from_bytes(head[at : at + 4]))
    for at in _INFO_OFFSETS:
        if head[at : at + 4] in (b"Xing", b"Info"):
            return _xing(head[at:])
    return None


def _xing(content: bytes) -> Info:
    flags, at = content[7], 8
    num_frames = num_bytes = 0
    if flags & 1:
        num_frames = int.from_bytes(content[at : at + 4])
        at += 4
    if flags & 2:
        num_bytes = int.from_bytes(content[at : at + 4])
        at += 4
    at += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    # The LAME field, which Lavf writes as well: a name of 9 bytes, and 12 more.
    delays = content[at + 21 : at + 24]
    if not content[at : at + 1].strip(b"\0") or len(delays) < 3:
        return Info(num_frames, num_bytes)
    delay, padding = delays[0] << 4 | delays[1] >> 4, (delays[1] & 15) << 8 | delays[2]
    return Info(num_frames, num_bytes, delay, padding)
