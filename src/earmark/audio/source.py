"""An open file of sound: which part to read, its properties, what was noticed while reading."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from earmark.errors import AudioError

MIN_SECONDS = 0.1
MAX_CHANNELS = 64
SAMPLE_RATES = range(1000, 768_001)
BLOCK_SECONDS = 4.0
BLOCK_VALUES = 1 << 21
"""Limits a block of many channels or of a high rate, in samples of all channels."""


@dataclass(frozen=True)
class Excerpt:
    """Part of a file, in seconds; the whole file by default."""

    start: float = 0.0
    end: float | None = None

    def __str__(self) -> str:
        if self == Excerpt():
            return ""
        # All digits, so that different excerpts have different names; 3 for 3.0.
        start, end = (str(instant).removesuffix(".0") for instant in (self.start, self.end))
        return f"[{start}-{end.replace('None', 'end')} s]"


WHOLE = Excerpt()


NoteKind = Literal[
    "header", "unclosed", "joined", "rate_change", "channel_change", "gap", "overlap", "lost_sound",
    "time_stamps", "other_tracks", "out_of_phase", "unused_bits", "unread_sound",
]  # fmt: skip
"""Types of what can be noticed in a file that is read all the same."""

HARMFUL_NOTES: frozenset[NoteKind] = frozenset(
    {"out_of_phase", "unused_bits", "lost_sound", "unread_sound"}
)
"""Those for which features and labels are likely to be wrong."""


class Note(NamedTuple):
    """Something in a readable file that its user should know.

    Args:
        kind: Its type, for programs.
        text: What it is, for people, without the name of the file.
    """

    kind: NoteKind
    text: str


def block_samples(sample_rate: int, channels: int) -> int:
    """Length of a block, in samples.

    Example:
        >>> block_samples(16_000, 1), block_samples(768_000, 64)
        (64000, 32768)
    """
    return min(round(BLOCK_SECONDS * sample_rate), BLOCK_VALUES // channels)


def lost_sound(what: str) -> Note:
    """What is noted of damage that took some of the sound."""
    return Note("lost_sound", f"damaged: {what} cannot be decoded; replace the file")


def truncated(path: Path, declared_seconds: float, seconds: float) -> AudioError:
    """The error for a file that holds less than it declares."""
    digits = 2 if declared_seconds - seconds >= 0.01 else 5
    return AudioError(
        f"{path}: declares {declared_seconds:.{digits}f} s but holds only {seconds:.{digits}f} s; "
        "the file is damaged or truncated, replace it",
        "truncated",
    )


def cut_blocks(
    blocks: Iterable[np.ndarray], first: int, last: int | None, position: int = 0
) -> Generator[np.ndarray, None, int]:
    """What consecutive blocks hold between two samples; reads no further than that.

    Args:
        blocks: Samples, (time, channels).
        first: The first sample that is kept.
        last: The one after the last that is kept; None for all to the end.
        position: Of the first block.

    Returns:
        The position after the last block that was read.

    Example:
        >>> [len(one) for one in cut_blocks([np.zeros((4, 1))] * 3, 2, 7)]
        [2, 3]
    """
    for block in blocks:
        kept = block[max(first - position, 0) : None if last is None else last - position]
        position += len(block)
        if len(kept):
            yield kept
        if last is not None and position >= last:
            break
    return position


@dataclass(frozen=True)
class Source:
    """An open file: its properties and a reader of native blocks, (time, channels) each.

    Args:
        sample_rate: In Hz.
        channels: Number of channels.
        blocks: Decodes an excerpt.
        codec: File format and sample coding, such as ``WAV PCM_16``, as the decoder names them.
        notes: What was noticed so far; reading the blocks may add to it.
        seconds: Length as far as it is known without decoding, which a container may only
            estimate; None if only decoding tells.
    """

    sample_rate: int
    channels: int
    blocks: Callable[[Excerpt], Iterator[np.ndarray]]
    codec: str
    notes: list[Note] = field(default_factory=list)
    seconds: float | None = None
