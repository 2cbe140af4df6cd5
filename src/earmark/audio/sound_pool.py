"""Decoded sound of many files, each decoded in a worker process."""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.audio.downmix import Block, Downmix
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import WHOLE, Excerpt, stream_audio
from earmark.audio.source import Note
from earmark.system.shapes import Float32
from earmark.system.workers.worker import Send

PART_SAMPLES = 1 << 19
"""Samples that are sent at once, about."""


class SoundPart(NamedTuple):
    """Samples of a file, as frames of one value each.

    Args:
        frames: The samples.
        duration_seconds: Length of the sound up to their end.
        notes: What was noticed in the file.
        source_rate: Sample rate of the file in Hz, if the sound is from a file.
    """

    frames: Float32[np.ndarray, "samples 1"]
    duration_seconds: float
    notes: tuple[Note, ...] = ()
    source_rate: int | None = None


class _Order(NamedTuple):
    path: Path
    excerpt: Excerpt
    pipelined: bool


def sound_pool(sample_rate: int, channel: int | None = None) -> DecoderPool:
    """Workers that decode files to mono sound, for each `sound_job` in a few parts.

    Args:
        sample_rate: Rate of the sound, in Hz.
        channel: As for `earmark.audio.reading.load_audio`.

    Example:
        >>> import soundfile, tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.wav")
        >>> soundfile.write(path, np.zeros(16_000), 16_000)
        >>> with sound_pool(8000) as pool:
        ...     [part] = pool.stream(sound_job(path))
        >>> part.frames.shape
        (8000, 1)
    """
    return DecoderPool(functools.partial(_decode, sample_rate, channel))


def sound_job(path: Path, excerpt: Excerpt = WHOLE, *, pipelined: bool = False) -> Job:
    """The sound of a file.

    Args:
        path: The file.
        excerpt: Which part of it.
        pipelined: As for `earmark.audio.reading.stream_audio`.
    """
    return Job(path, _Order(path, excerpt, pipelined))


def sound_parts(blocks: Iterable[Block], sample_rate: int, downmix: Downmix) -> Iterator[SoundPart]:
    """Blocks of samples as parts, with what the downmix has noticed.

    Args:
        blocks: Mono samples.
        sample_rate: Their rate, in Hz.
        downmix: Where the blocks come from.
    """
    num_samples, waiting = 0, None

    def part(block: Block) -> SoundPart:
        frames = block.astype(np.float32, copy=False)[:, None]
        seconds = num_samples / sample_rate
        return SoundPart(frames, seconds, tuple(downmix.notes), downmix.sample_rate)

    for block in blocks:
        if waiting is not None:
            num_samples += len(waiting)
            yield part(waiting)
        waiting = block
    # The last one is made when all has been noticed.
    if waiting is not None:
        num_samples += len(waiting)
        yield part(waiting)


def _decode(sample_rate: int, channel: int | None, order: _Order, send: Send) -> SoundPart:
    """Runs in the worker; returns the last part."""
    downmix = Downmix(channel)
    blocks = stream_audio(
        *(order.path, sample_rate, order.excerpt), downmix=downmix, pipelined=order.pipelined
    )
    waiting: list[SoundPart] = []
    num_waiting = 0
    for part in sound_parts(blocks, sample_rate, downmix):
        send(None)
        if num_waiting >= PART_SAMPLES:
            send(_join(waiting))
            waiting, num_waiting = [], 0
        waiting.append(part)
        num_waiting += len(part.frames)
    return _join(waiting)


def _join(parts: list[SoundPart]) -> SoundPart:
    return parts[-1]._replace(frames=np.concatenate([one.frames for one in parts]))
