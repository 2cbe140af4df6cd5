"""Any sound file to mono samples at one rate, in blocks, so that memory use stays constant."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from earmark.audio.decoding import AV_EXTENSIONS, SOUNDFILE_EXTENSIONS, open_source
from earmark.audio.downmix import Block, Downmix, Samples
from earmark.audio.source import (
    MAX_CHANNELS,
    MIN_SECONDS,
    SAMPLE_RATES,
    WHOLE,
    Excerpt,
    Source,
)
from earmark.errors import AudioError, ConfigError
from earmark.system.parallel import read_ahead
from earmark.system.remote.path import to_path

MAX_SECONDS = 100 * 3600.0


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
    """Counts the samples of the blocks that are read through it.

    Args:
        blocks: Samples; they can be read once.

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


def load_audio(
    path: Path | str,
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: int | None = None,
) -> Audio:
    """Decodes a sound file, or an excerpt of it, into mono samples in memory.

    Args:
        path: Any file that `stream_audio` reads.
        sample_rate: Rate to resample to, in Hz; by default the file's own.
        start: Where the excerpt starts, in seconds.
        end: Where it ends, in seconds; by default at the end of the file.
        channel: Number of the channel that is read, from 1; by default the mean of all.

    Raises:
        AudioError: As `stream_audio`.
        ConfigError: As `stream_audio`; or the excerpt is empty or starts before 0.

    Example:
        >>> import soundfile, tempfile
        >>> path = tempfile.mkdtemp() + "/a.wav"
        >>> soundfile.write(path, np.zeros(48_000), 16_000)
        >>> sound = load_audio(path, 8000, start=1.0)
        >>> sound.sample_rate, sound.duration_seconds
        (8000, 2.0)
    """
    _check_rate(sample_rate)
    # NaN fails this comparison as well.
    if not 0 <= start < (math.inf if end is None else end):
        raise ConfigError(
            f"start = {start}, end = {end}: give an excerpt of more than 0 s that starts at 0 s "
            "or later"
        )
    path = to_path(path)
    with open_source(path) as source:
        rate = sample_rate or source.sample_rate
        mono = Downmix(channel).mono(path, source)
        blocks = list(read_mono(path, mono, rate, Excerpt(start, end)))
    return Audio(np.concatenate(blocks), rate)


def stream_audio(
    path: Path | str,
    sample_rate: int | None = None,
    excerpt: Excerpt = WHOLE,
    *,
    downmix: Downmix | None = None,
    pipelined: bool = False,
) -> Iterator[Samples]:
    """Decodes a sound file into mono samples, block by block.

    The concatenated blocks equal what `load_audio` returns, bit for bit.

    Args:
        path: The file.
        sample_rate: Rate to resample to, in Hz; by default the file's own.
        excerpt: Which part.
        downmix: How channels become one, and what was noticed on the way; by default their mean.
        pipelined: Decode and resample ahead of the caller, in a thread each. Faster for a single
            long file; slower when several files are read in parallel.

    Yields:
        Mono samples.

    Raises:
        AudioError: The file is missing, empty, not decodable, truncated, shorter than
            `MIN_SECONDS`, or lacks the channel, or holds values that are not finite or on the scale
            of integers. The message names the file.
        ConfigError: The rate is outside `SAMPLE_RATES`.
    """
    _check_rate(sample_rate)
    path = to_path(path)
    with open_source(path) as source:
        rate = sample_rate or source.sample_rate
        mono = (downmix or Downmix()).mono(path, source)
        yield from read_mono(path, mono, rate, excerpt, pipelined=pipelined)


def from_arrays(
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    to_rate: int,
    *,
    downmix: Downmix | None = None,
) -> Iterator[Samples]:
    """Mixes, checks and resamples sound in arrays, as `stream_audio` does for files.

    Args:
        blocks: Samples in [-1, 1], of any lengths: (time,), or (time, channels).
        sample_rate: Their rate, in Hz.
        to_rate: Rate to resample to, in Hz.
        downmix: As for `stream_audio`.

    Yields:
        Mono samples.

    Raises:
        AudioError: The samples are not floating-point numbers, not finite, or on the scale of
            integers; there are more channels than `MAX_CHANNELS`, or the one that is read is
            missing; or the sound is shorter than `MIN_SECONDS`.
        ConfigError: A rate is outside `SAMPLE_RATES`.
    """
    _check_rate(sample_rate)
    _check_rate(to_rate)
    downmix = downmix or Downmix()
    # A microphone has no end, so nothing is read for the sake of a message.
    channels = (_as_channels(block, downmix.channel or 1) for block in blocks)
    native = SampleCounter(downmix.read("samples", channels, sample_rate, read_on=False))
    for block in resample(native, sample_rate, to_rate):
        if len(block):
            yield block
    _refuse_short("samples", native.num_samples, sample_rate)


def _check_rate(sample_rate: int | None) -> None:
    if sample_rate is not None and sample_rate not in SAMPLE_RATES:
        raise ConfigError(
            f"sample_rate = {sample_rate}: give a rate from {SAMPLE_RATES.start} to "
            f"{SAMPLE_RATES.stop - 1} Hz"
        )


def _as_channels(block: np.ndarray, num_channels: int) -> np.ndarray:
    """A block as (time, channels) in float32; one without channels is that of each."""
    if block.dtype.kind != "f":
        raise AudioError(
            f"samples: {block.dtype} instead of floating-point numbers in [-1, 1]; divide by the "
            "largest value of the type"
        )
    channels = block
    if block.ndim == 1:
        channels = np.broadcast_to(block[:, None], (len(block), num_channels))
    if channels.ndim != 2 or not 1 <= channels.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"samples: an array of shape {block.shape}; give (time,), or (time, channels) with at "
            f"most {MAX_CHANNELS} channels"
        )
    return channels.astype(np.float32, copy=False)


def is_audio(path: Path) -> bool:
    """Whether a folder scan includes a file: a visible one with the extension of a sound file."""
    return has_sound_name(path) and not path.name.startswith(".") and path.is_file()


def has_sound_name(path: Path) -> bool:
    """Whether a name has the extension of a sound file, in upper or lower case."""
    return path.suffix.lower() in SOUNDFILE_EXTENSIONS | AV_EXTENSIONS


def read_mono(
    path: Path,
    source: Source,
    rate: int,
    excerpt: Excerpt,
    *,
    pipelined: bool = False,
) -> Iterator[Samples]:
    """Reads an open file as `stream_audio` does.

    Args:
        path: The file, for messages.
        source: The open file, after `Downmix.mono`.
        rate: Rate to resample to, in Hz.
        excerpt: Which part.
        pipelined: As for `stream_audio`.
    """
    num_samples = 0
    counted = SampleCounter(source.blocks(excerpt))
    native = iter(counted)
    # The threads must end before the caller closes the file, also after an error.
    with ExitStack() as threads:
        if pipelined:
            native = threads.enter_context(closing(read_ahead(native)))
        blocks = resample(native, source.sample_rate, rate)
        if pipelined and source.sample_rate != rate:
            blocks = threads.enter_context(closing(read_ahead(blocks)))
        for block in blocks:
            num_samples += len(block)
            if num_samples > MAX_SECONDS * rate:
                raise AudioError(f"{path}: longer than {MAX_SECONDS / 3600:.0f} hours; split it")
            if len(block):
                yield block
    _refuse_short(f"{path}{excerpt}", counted.num_samples, source.sample_rate, excerpt)


def _refuse_short(name: str, num_samples: int, rate: int, excerpt: Excerpt = WHOLE) -> None:
    """Refuses sound shorter than its excerpt or the minimum, by its samples before resampling."""
    seconds = num_samples / rate
    if excerpt.start and not num_samples:
        raise AudioError(
            f"{name}: the sound ends before {excerpt.start:g} s; correct the start of the excerpt",
            "short",
        )
    if excerpt.end is not None and seconds < excerpt.end - excerpt.start - MIN_SECONDS:
        raise AudioError(
            f"{name}: the sound ends after {excerpt.start + seconds:.2f} s; "
            "correct the end of the excerpt",
            "short",
        )
    # The small number makes up for products such as 0.1 * 30.
    if num_samples < math.floor(MIN_SECONDS * rate + 1e-6):
        raise AudioError(
            f"{name}: lasts {seconds:.6g} s, less than the minimum of {MIN_SECONDS} s; "
            "leave it out",
            "short",
        )


def resample(blocks: Iterable[Block], in_rate: int, out_rate: int) -> Iterator[Samples]:
    """Resamples mono sound block by block; the same as resampling it whole."""
    if in_rate == out_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
