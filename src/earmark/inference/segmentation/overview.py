"""A whole recording on the width of a picture: its waveform and its log-mel values by columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.audio.reading import Samples, stream_audio
from earmark.features.log_mel import LogMel
from earmark.system.shapes import Float32, Float64, Int

MAX_COLUMNS = 1200


@dataclass(frozen=True)
class Overview:
    """What is drawn of a recording, in columns of equal length.

    Args:
        duration_seconds: Length of all columns.
        lowest: Smallest sample of each column.
        highest: Largest sample of each column.
        log_mel: Mean over its frames of each band, in decibels.
    """

    duration_seconds: float
    lowest: Float32[np.ndarray, " columns"]
    highest: Float32[np.ndarray, " columns"]
    log_mel: Float64[np.ndarray, "mels columns"]


def make_overview(path: Path, log_mel: LogMel, duration_seconds: float) -> Overview:
    """Decodes a recording once more, in a fixed amount of memory.

    Args:
        path: Any sound file.
        log_mel: The front end.
        duration_seconds: Length of the recording, as a prediction tells it.

    Raises:
        AudioError: As `earmark.audio.reading.stream_audio`.
    """
    sample_rate = log_mel.config.sample_rate
    num_samples = round(duration_seconds * sample_rate)
    num_columns = min(MAX_COLUMNS, log_mel.num_frames(num_samples))
    lowest = np.full(num_columns, np.inf, np.float32)
    highest = np.full(num_columns, -np.inf, np.float32)
    sums = np.zeros((num_columns, log_mel.config.n_mels))
    counts = np.zeros((num_columns, 1))

    def measured() -> Iterator[Samples]:
        num_heard = 0
        for block in stream_audio(path, sample_rate):
            columns = _columns(num_heard, len(block), num_samples, num_columns)
            np.minimum.at(lowest, columns, block)
            np.maximum.at(highest, columns, block)
            num_heard += len(block)
            yield block

    num_frames = 0
    for frames in log_mel.stream(measured()):
        columns = _columns(num_frames, len(frames), log_mel.num_frames(num_samples), num_columns)
        np.add.at(sums, columns, frames)
        np.add.at(counts, columns, 1.0)
        num_frames += len(frames)
    return Overview(duration_seconds, lowest, highest, (sums / counts).T)


def _columns(first: int, count: int, total: int, num_columns: int) -> Int[np.ndarray, " count"]:
    """The column of each of some consecutive samples or frames."""
    return np.minimum(np.arange(first, first + count) * num_columns // total, num_columns - 1)
