"""Features of many files, each decoded in a worker process; the same values, bit for bit."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from earmark.audio.downmix import Downmix
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.limits import SoundLimits, within
from earmark.audio.reading import WHOLE, Excerpt, stream_audio
from earmark.config import FeatureConfig
from earmark.errors import AudioError, CheckpointError
from earmark.features.front_end import FrontEnd
from earmark.features.log_mel import (
    GROUP_FRAMES,
    Features,
    join_features,
    stream_features,
)
from earmark.features.vectors import make_front_end
from earmark.system.workers.worker import Send

PART_GROUPS = 20
"""Groups of frames that are sent at once: 77 s with the default settings."""


class _Order(NamedTuple):
    path: Path
    excerpt: Excerpt
    pipelined: bool
    limits: SoundLimits | None


def extraction_pool(
    config: FeatureConfig, *, memory_bytes: int | None = None, patience_seconds: float | None = None
) -> DecoderPool:
    """Workers that compute features, for each `extraction_job` in parts of many groups.

    Args:
        config: Front-end settings.
        memory_bytes: As for `earmark.system.workers.pool.WorkerPool`.
        patience_seconds: As for `earmark.system.workers.pool.WorkerPool`.

    Example:
        >>> import numpy, soundfile, tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.wav")
        >>> soundfile.write(path, numpy.zeros(16_000), 16_000)
        >>> with extraction_pool(FeatureConfig()) as pool:
        ...     [features] = pool.stream(extraction_job(path))
        >>> features.frames.shape
        (51, 40)
    """
    work = functools.partial(_extract, make_front_end(config, num_threads=1))
    return DecoderPool(work, memory_bytes=memory_bytes, patience_seconds=patience_seconds)


def extraction_job(
    path: Path,
    excerpt: Excerpt = WHOLE,
    *,
    pipelined: bool = False,
    limits: SoundLimits | None = None,
) -> Job:
    """The features of a file, as `earmark.features.log_mel.extract` computes them.

    Args:
        path: The file.
        excerpt: Which part of it.
        pipelined: As for `earmark.audio.reading.stream_audio`.
        limits: What the file may hold; by default what `stream_audio` allows.
    """
    return Job(path, _Order(path, excerpt, pipelined, limits))


def split_groups(parts: Iterable[Features]) -> Iterator[Features]:
    """The parts of a file as `earmark.features.log_mel.stream_features` yields them."""
    for part in parts:
        for first in range(0, len(part.frames), GROUP_FRAMES):
            yield replace(part, frames=part.frames[first : first + GROUP_FRAMES])


def _extract(front_end: FrontEnd, order: _Order, send: Send) -> Features:
    """Runs in the worker; returns the last part."""
    config = front_end.config
    downmix = Downmix(config.channel)
    blocks = stream_audio(
        *(order.path, config.sample_rate, order.excerpt),
        downmix=downmix,
        pipelined=order.pipelined,
    )
    if order.limits is not None:
        blocks = within(order.limits, order.path, blocks, config.sample_rate, downmix)
    waiting: list[Features] = []
    try:
        for part in stream_features(blocks, front_end, downmix):
            send(None)
            if len(waiting) == PART_GROUPS:
                send(join_features(waiting))
                waiting.clear()
            waiting.append(part)
    except CheckpointError as error:
        # An embedder that is fine with other sound.
        raise AudioError(f"{order.path}: {error}", "not_finite") from None
    return join_features(waiting)
