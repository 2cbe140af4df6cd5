"""Several recordings in one file, one after another: read as one sound.

Stream recorders and ``cat`` write such files. A recording of another sample rate or number of
channels than the first is converted, so that times and pitch are right.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import soxr

from earmark.audio.source import Excerpt, Note, Source, cut_blocks

Read = Callable[[int, int | None], Iterator[np.ndarray]]
"""Decodes from one sample to another, or to the end: blocks of (time, channels)."""


class Part(NamedTuple):
    """One of the recordings in a file.

    Args:
        sample_rate: In Hz.
        channels: Number of channels.
        num_samples: Length; None if only decoding tells.
        read: Decodes some of it.
        codec: As for `Source`.
    """

    sample_rate: int
    channels: int
    num_samples: int | None
    read: Read
    codec: str


def chained_source(parts: Sequence[Part]) -> Source:
    """Recordings as one source, with the rate and the channels of the first.

    Args:
        parts: The recordings, at least one.
    """
    rate, channels = parts[0].sample_rate, parts[0].channels
    return Source(
        rate,
        channels,
        lambda excerpt: _blocks([_converted(part, rate, channels) for part in parts], excerpt),
        parts[0].codec,
        list(_notes(parts)),
        _seconds(parts),
    )


def _seconds(parts: Sequence[Part]) -> float | None:
    lengths = [part.num_samples and part.num_samples / part.sample_rate for part in parts]
    return None if None in lengths else sum(filter(None, lengths), 0.0)


def _blocks(parts: Sequence[Part], excerpt: Excerpt) -> Iterator[np.ndarray]:
    rate = parts[0].sample_rate
    first = round(excerpt.start * rate)
    last = None if excerpt.end is None else round(excerpt.end * rate)
    begin = 0
    for part in parts:
        if last is not None and begin >= last:
            return
        end = None if last is None else last - begin
        if part.num_samples is None:
            begin += yield from _counted(part, max(first - begin, 0), end)
            continue
        if begin + part.num_samples > first:
            yield from part.read(max(first - begin, 0), end)
        begin += part.num_samples


def _counted(part: Part, first: int, last: int | None) -> Iterator[np.ndarray]:
    """Some of a recording of unknown length; returns how far it was decoded."""
    position = 0
    for block in part.read(0, last):
        kept = block[max(first - position, 0) :]
        position += len(block)
        if len(kept):
            yield kept
    return position


def _converted(part: Part, sample_rate: int, channels: int) -> Part:
    """A recording at another rate, with another number of channels."""
    if (part.sample_rate, part.channels) == (sample_rate, channels):
        return part
    length = part.num_samples
    if length is not None:
        length = round(length * sample_rate / part.sample_rate)

    def read(first: int, last: int | None) -> Iterator[np.ndarray]:
        last = min(end for end in (last, length, _ENDLESS) if end is not None)
        position = yield from cut_blocks(_resampled(part, sample_rate, channels), first, last)
        if length is not None and position < last:
            missing = min(last - position, last - first)
            yield np.zeros((missing, channels), np.float32)

    return part._replace(sample_rate=sample_rate, channels=channels, num_samples=length, read=read)


_ENDLESS = 1 << 62


def _resampled(part: Part, sample_rate: int, channels: int) -> Iterator[np.ndarray]:
    blocks = (_with_channels(block, channels) for block in part.read(0, None))
    if part.sample_rate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(part.sample_rate, sample_rate, channels, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block).reshape(-1, channels)
    rest = np.zeros((0, channels), np.float32)
    yield resampler.resample_chunk(rest, last=True).reshape(-1, channels)


def _with_channels(block: np.ndarray, channels: int) -> np.ndarray:
    """Each channel as the mean of all, unless there are as many already."""
    if block.shape[1] == channels:
        return block
    mean = block.mean(axis=1, keepdims=True, dtype=np.float32)
    return np.repeat(mean, channels, axis=1)


def joined_note(num_recordings: int) -> Note:
    """The note on recordings that are read one after another."""
    return Note("joined", f"{num_recordings} recordings")


def _notes(parts: Sequence[Part]) -> Iterator[Note]:
    """The first change of the rate and of the channels; without any, that parts are joined."""
    seconds: float | None = 0.0
    found: dict[str, Note] = {}
    for before, after in pairwise(parts):
        if seconds is not None and before.num_samples is not None:
            seconds += before.num_samples / before.sample_rate
        else:
            seconds = None
        where = "" if seconds is None else f" at {seconds:.2f} s"
        if before.sample_rate != after.sample_rate:
            text = f"from {before.sample_rate} to {after.sample_rate} Hz{where}"
            found.setdefault("rate", Note("rate_change", text))
        if before.channels != after.channels:
            text = f"from {before.channels} to {after.channels}{where}"
            found.setdefault("channels", Note("channel_change", text))
    if len(parts) > 1 and not found:
        yield joined_note(len(parts))
    yield from found.values()
