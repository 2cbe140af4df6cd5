"""Any sound file to mono samples at one rate, in blocks, so that memory stays flat."""

import functools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from earmark.audio.decoding import (
    AV_EXTENSIONS,
    MAX_CHANNELS,
    MIN_SECONDS,
    SAMPLE_RATES,
    SOUNDFILE_EXTENSIONS,
    WHOLE,
    Excerpt,
    Source,
    name_damage,
    open_source,
)
from earmark.errors import AudioError
from earmark.system.parallel import leave_if_unwanted, read_ahead
from earmark.system.shapes import Float32

MAX_SECONDS = 100 * 3600.0
MAX_SAMPLE = 1e10
"""Far beyond integers of 32 bits that were not divided, and far below what float32 can square."""

Samples = Float32[np.ndarray, " time"]
Block = Float32[np.ndarray, " _"]
"""Samples of one of several blocks, which need not be equally long."""


@dataclass(frozen=True)
class Audio:
    """Decoded sound: mono samples in [-1, 1] with their rate in Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


class SampleCounter:
    """Blocks that are counted as they go by.

    Args:
        blocks: Samples, once.

    Example:
        >>> sound = SampleCounter([np.zeros(2, np.float32), np.zeros(3, np.float32)])
        >>> len(list(sound)), sound.num_samples
        (2, 5)
    """

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks = blocks
        self.num_samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.num_samples += len(block)
            yield block


def load(path: Path, sample_rate: int | None = None, excerpt: Excerpt = WHOLE) -> Audio:
    """Decodes a file, or a stretch of it, into memory.

    Args:
        path: Any file that `stream` reads.
        sample_rate: Rate to resample to, in Hz; the file's own when it is not given.
        excerpt: Which part.

    Raises:
        AudioError: As `stream`.
    """
    with open_source(path) as source:
        rate = sample_rate or source.sample_rate
        blocks = list(read_mono(path, source, rate, excerpt))
    return Audio(np.concatenate(blocks), rate)


def stream(
    path: Path,
    sample_rate: int | None = None,
    excerpt: Excerpt = WHOLE,
    *,
    pipelined: bool = False,
) -> Iterator[Samples]:
    """Decodes a file block by block.

    Channels are averaged; the blocks joined are the same samples as `load` gives, bit for bit.

    Args:
        path: The file.
        sample_rate: Rate to resample to, in Hz; the file's own when it is not given.
        excerpt: Which part.
        pipelined: Decode and resample, where it must be, in a thread each, ahead of the caller: for
            one long file alone. Among many files at work it would only cost.

    Yields:
        Mono samples.

    Raises:
        AudioError: The file is missing, empty, not decodable, truncated, shorter than
            `MIN_SECONDS`, or holds values that are not finite. The message names the file.
    """
    with open_source(path) as source:
        rate = sample_rate or source.sample_rate
        yield from read_mono(path, source, rate, excerpt, pipelined=pipelined)


def from_arrays(blocks: Iterable[np.ndarray], sample_rate: int, to_rate: int) -> Iterator[Samples]:
    """Sound that is at hand as arrays, treated as that of files is: averaged, checked, resampled.

    Args:
        blocks: Samples in [-1, 1], of any lengths: (time,), or (time, channels).
        sample_rate: Their rate, in Hz.
        to_rate: Rate to resample to, in Hz.

    Yields:
        Mono samples.

    Raises:
        AudioError: The samples are not floating-point numbers, or not finite; there are more
            channels than `MAX_CHANNELS`; the rate is out of range; or the sound is shorter than
            `MIN_SECONDS`.
    """
    if sample_rate not in SAMPLE_RATES:
        raise AudioError(
            f"samples: a rate of {sample_rate} Hz is outside {SAMPLE_RATES.start} to "
            f"{SAMPLE_RATES.stop - 1}; give the rate of the samples"
        )
    num_samples = 0
    native = _mono("samples", map(_as_channels, blocks), sample_rate)
    for block in resample(native, sample_rate, to_rate):
        num_samples += len(block)
        if len(block):
            yield block
    _refuse_short("samples", num_samples, to_rate)


def _as_channels(block: np.ndarray) -> np.ndarray:
    """A block as (time, channels) in float32."""
    if block.dtype.kind != "f":
        raise AudioError(
            f"samples: {block.dtype} instead of floating-point numbers in [-1, 1]; divide by the "
            "largest value of their type"
        )
    channels = block[:, None] if block.ndim == 1 else block
    if channels.ndim != 2 or not 1 <= channels.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"samples: an array of shape {block.shape}; give (time,), or (time, channels) with at "
            f"most {MAX_CHANNELS} channels"
        )
    return channels.astype(np.float32, copy=False)


def is_audio(path: Path) -> bool:
    """Whether a folder scan takes a file for sound: by its extension, in any case of letters."""
    return has_sound_name(path) and not path.name.startswith(".") and path.is_file()


def has_sound_name(path: Path) -> bool:
    """Whether the extension is that of sound, in any case of letters, whatever is there."""
    return path.suffix.lower() in SOUNDFILE_EXTENSIONS | AV_EXTENSIONS


def read_mono(
    path: Path, source: Source, rate: int, excerpt: Excerpt, *, pipelined: bool = False
) -> Iterator[Samples]:
    """What `stream` yields, from a file that is open already."""
    num_samples = 0
    native = _mono(path, name_damage(path, source.blocks(excerpt)), source.sample_rate)
    # The threads must have ended when the caller closes the file, however this ends.
    with ExitStack() as threads:
        if pipelined:
            native = threads.enter_context(closing(read_ahead(native)))
        blocks = resample(native, source.sample_rate, rate)
        if pipelined and source.sample_rate != rate:
            blocks = threads.enter_context(closing(read_ahead(blocks)))
        for block in blocks:
            leave_if_unwanted()
            num_samples += len(block)
            if num_samples > MAX_SECONDS * rate:
                raise AudioError(f"{path}: longer than {MAX_SECONDS / 3600:.0f} hours; cut it up")
            if len(block):
                yield block
    seconds = num_samples / rate
    if excerpt.end is not None and seconds < excerpt.end - excerpt.start - MIN_SECONDS:
        raise AudioError(
            f"{path}{excerpt}: the sound ends after {excerpt.start + seconds:.2f} s; "
            "correct the end of the excerpt",
            "short",
        )
    _refuse_short(f"{path}{excerpt}", num_samples, rate)


def _refuse_short(name: str, num_samples: int, rate: int) -> None:
    if num_samples < round(MIN_SECONDS * rate):
        raise AudioError(
            f"{name}: lasts {num_samples / rate:.3f} s, and at least {MIN_SECONDS} s are needed; "
            "leave it out",
            "short",
        )


def _mono(name: Path | str, blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[Samples]:
    num_samples = 0
    for block in blocks:
        # A sum of columns: `mean(axis=1)` is many times slower over so few channels.
        mono = functools.reduce(np.add, block.T)
        if block.shape[1] > 1:
            mono /= np.float32(block.shape[1])
        # Not ">", which is false for what is not a number.
        if not max(mono.max(initial=0.0), -mono.min(initial=0.0)) <= MAX_SAMPLE:
            raise _unusable_sample(name, mono, num_samples, sample_rate)
        num_samples += len(mono)
        yield np.ascontiguousarray(mono)


def _unusable_sample(
    name: Path | str, mono: Samples, num_before: int, sample_rate: int
) -> AudioError:
    first = int(np.argmin(np.abs(mono) <= MAX_SAMPLE))
    where = f"{name}: the sample at {(num_before + first) / sample_rate:.3f} s"
    if np.isfinite(mono[first]):
        return AudioError(
            f"{where} is {mono[first]:.0e}, and those of sound lie in [-1, 1]; replace the file",
            "damaged",
        )
    return AudioError(f"{where} is not a finite number; mend it", "not_finite")


def resample(blocks: Iterable[Block], in_rate: int, out_rate: int) -> Iterator[Samples]:
    """The same sound at another rate, block by block."""
    if in_rate == out_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
