"""Levels of the short frames of a recording: noise floor, and how much of it is sound."""

import numpy as np

from earmark.audio.downmix import Samples
from earmark.features.levels import power_db
from earmark.system.shapes import Bool

LEVEL_SECONDS = 0.05
NOISE_FLOOR_FRACTION = 0.1
ACTIVE_DB: int = 20
"""Frames that are at most so far below the loudest one are sound, the others pauses; the noise of
many recordings is only 30 dB below their sound."""
LOWEST_DB = -120


class FrameLevels:
    """Levels of frames of `LEVEL_SECONDS`, one byte each.

    Args:
        sample_rate: In Hz.

    Example:
        >>> levels = FrameLevels(1000)
        >>> levels.add(np.repeat(np.float32([0.5, 0.0, 0.5, 0.0]), 100))
        >>> levels.active_fraction, levels.event_seconds, levels.noise_floor_db
        (0.5, 0.1, -120.0)
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = round(LEVEL_SECONDS * sample_rate)
        self._seconds = self._size / sample_rate
        self._rest = np.zeros(0, np.float32)
        self._levels = bytearray()

    def add(self, block: Samples) -> None:
        """Measures the frames that a block completes."""
        samples = np.concatenate([self._rest, block])
        whole = len(samples) // self._size * self._size
        frames = samples[:whole].reshape(-1, self._size)
        levels = power_db(np.square(frames).mean(axis=1, dtype=np.float64), float(LOWEST_DB))
        self._levels += np.minimum(levels - LOWEST_DB, 255).astype(np.uint8).tobytes()
        self._rest = samples[whole:].copy()

    @property
    def _decibels(self) -> np.ndarray:
        """Of each frame, above `LOWEST_DB`."""
        return np.frombuffer(self._levels, np.uint8)

    @property
    def _is_active(self) -> Bool[np.ndarray, " frames"]:
        # Added, because the difference of bytes would wrap around.
        return self._decibels.astype(int) + ACTIVE_DB >= self._decibels.max(initial=0)

    @property
    def noise_floor_db(self) -> float:
        """The 10th percentile of the levels, in dB of full scale."""
        counts = np.bincount(self._decibels, minlength=1)
        reached = np.cumsum(counts) >= NOISE_FLOOR_FRACTION * max(counts.sum(), 1)
        return float(np.argmax(reached) + LOWEST_DB)

    @property
    def active_fraction(self) -> float:
        """Fraction of frames that are at most `ACTIVE_DB` below the loudest one."""
        return float(self._is_active.mean()) if self._levels else 0.0

    @property
    def event_seconds(self) -> float:
        """Median length of the runs of such frames."""
        edges = np.flatnonzero(np.diff(self._is_active, prepend=False, append=False))
        runs = edges[1::2] - edges[::2]
        return float(np.median(runs)) * self._seconds if len(runs) else 0.0
