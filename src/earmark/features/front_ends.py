"""Features of several front ends from one decoding of a file."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from earmark.audio.decoding import open_source
from earmark.audio.downmix import Downmix
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import WHOLE, read_mono
from earmark.audio.source import Source
from earmark.config import FeatureConfig
from earmark.errors import CheckpointError
from earmark.features.extraction import PART_GROUPS
from earmark.features.front_end import FrontEnd
from earmark.features.log_mel import Features, stream_features
from earmark.features.vectors import make_front_end
from earmark.system.workers.worker import Send


class Part(NamedTuple):
    """Some features of a file.

    Args:
        front_end: Number of the front end that computed them.
        features: As `earmark.features.log_mel.stream_features` yields them; or why this front end
            gives no more of them, an embedder that fails on this sound.
    """

    front_end: int
    features: Features | CheckpointError


def front_ends_pool(configs: Sequence[FeatureConfig]) -> DecoderPool:
    """Workers that decode a file once and send lists of `Part`; see `front_ends_job`.

    Args:
        configs: Settings of the front ends.

    Example:
        >>> import numpy, soundfile, tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.wav")
        >>> soundfile.write(path, numpy.zeros(16_000), 16_000)
        >>> configs = [FeatureConfig(), FeatureConfig(sample_rate=8000, f_max=4000.0)]
        >>> with front_ends_pool(configs) as pool:
        ...     [parts] = pool.stream(front_ends_job(path))
        >>> [(part.front_end, part.features.frames.shape) for part in parts]
        [(0, (51, 40)), (1, (26, 40))]
    """
    front_ends = tuple(make_front_end(config, num_threads=1) for config in configs)
    return DecoderPool(functools.partial(_extract, front_ends))


def front_ends_job(path: Path) -> Job:
    """The features of a file by all front ends.

    Args:
        path: The file.
    """
    return Job(path, path)


def _extract(front_ends: Sequence[FrontEnd], path: Path, send: Send) -> list[Part]:
    """Runs in the worker; returns the last parts."""
    waiting: list[Part] = []
    for part in stream_front_ends(path, front_ends):
        send(None)
        if len(waiting) == PART_GROUPS:
            send(waiting)
            waiting = []
        waiting.append(part)
    return waiting


def stream_front_ends(path: Path, front_ends: Sequence[FrontEnd]) -> Iterator[Part]:
    """The features of a file by several front ends, which advance together.

    Args:
        path: Any file that `earmark.audio.reading.stream_audio` reads.
        front_ends: What computes the features.

    Yields:
        What each of them gives alone, in order; an embedder that fails does so for itself alone.

    Raises:
        AudioError: As `earmark.audio.reading.stream_audio`, for any of them.
    """
    with open_source(path) as source:
        copies = itertools.tee(source.blocks(WHOLE), len(front_ends))
        streams = {
            index: _stream(path, replace(source, blocks=lambda _, blocks=blocks: blocks), front_end)
            for index, (blocks, front_end) in enumerate(zip(copies, front_ends, strict=True))
        }
        seconds = dict.fromkeys(streams, 0.0)
        while streams:
            # The one that is furthest behind, so that few blocks wait for it in memory.
            index = min(streams, key=seconds.__getitem__)
            try:
                part = next(streams[index], None)
            except CheckpointError as error:
                yield Part(index, error)
                part = None
            if part is None:
                del streams[index]
            else:
                seconds[index] = part.duration_seconds
                yield Part(index, part)


def _stream(path: Path, source: Source, front_end: FrontEnd) -> Iterator[Features]:
    config = front_end.config
    downmix = Downmix(config.channel)
    blocks = read_mono(path, downmix.mono(path, source), config.sample_rate, WHOLE)
    return stream_features(blocks, front_end, downmix)
