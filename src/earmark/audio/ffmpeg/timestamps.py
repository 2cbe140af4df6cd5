"""Places decoded sound on the time line of its file, as the time stamps of a container say.

Sound that starts late, a recorder that paused and packets that were lost leave gaps between the
time stamps. Silence fills them, so that every sample is where a player plays it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from earmark.audio.source import Note, lost_sound

TOLERANCE_SECONDS = 0.1
"""Time stamps that deviate less are jitter; FFmpeg's ``aresample=async=1`` has the same limit."""
LOSS_TOLERANCE_SECONDS = 0.005
"""The same after damage, where the sound is known to be incomplete: containers round to 1 ms."""
LOSS_BLOCKS = 4
"""Blocks after damage within which the gap that it leaves appears."""
SILENCE_SAMPLES = 1 << 16


@dataclass
class Places:
    """Where something happened, and how long it lasts in all."""

    number: int = 0
    seconds: float = 0.0
    first: float = 0.0

    def add(self, at: float, seconds: float) -> None:
        """Counts another place, in seconds."""
        self.first = self.first if self.number else at
        self.number += 1
        self.seconds += seconds

    def __str__(self) -> str:
        where = f"at {self.first:.2f} s"
        if self.number > 1:
            where = f"in {self.number} places, the first {where}"
        return f"{self.seconds:.2f} s {where}"


@dataclass
class Clock:
    """The time line of a file: gaps become silence, and sound that overlaps is dropped.

    Args:
        sample_rate: In Hz.
        channels: Number of channels.
        zero: The time stamp of the first sample of the time line; by default that of the sound.

    Example:
        >>> clock = Clock(1000, 1, zero=0.0)
        >>> one_second = np.ones((1000, 1), np.float32)
        >>> blocks = [*clock.place(one_second, 0.5), *clock.place(one_second, 3.5)]
        >>> [(len(block), float(block.max())) for block in blocks]
        [(500, 0.0), (1000, 1.0), (2000, 0.0), (1000, 1.0)]
    """

    sample_rate: int
    channels: int
    zero: float | None = None
    position: int = 0
    sound_end: int = 0
    """Where the last sound ended, in samples; `position` counts the silence after it as well."""
    gaps: Places = field(default_factory=Places)
    losses: Places = field(default_factory=Places)
    overlaps: Places = field(default_factory=Places)
    _has_started: bool = False
    _pending_loss: float = 0.0
    _blocks_since_loss: int = LOSS_BLOCKS
    _num_to_drop: int = 0

    def place(self, block: np.ndarray, seconds: float | None) -> Iterator[np.ndarray]:
        """Yields a block, after silence where there is a gap, or without its overlapping start.

        Args:
            block: Samples, (time, channels).
            seconds: Its time stamp; None if it has none.
        """
        if seconds is None:
            missing, places = round(self._pending_loss * self.sample_rate), self.losses
        else:
            missing, places = self._missing(seconds)
        if missing:
            yield from self._silence(missing, places)
        self._pending_loss = 0.0
        self._blocks_since_loss += 1
        if self._num_to_drop:
            block, num_dropped = block[self._num_to_drop :], len(block)
            self._num_to_drop = max(self._num_to_drop - num_dropped, 0)
        self.position += len(block)
        self.sound_end = self.position
        if len(block):
            yield block

    def lose(self, seconds: float) -> None:
        """Notes that sound is missing here; the next time stamp decides how much.

        Args:
            seconds: How much, where no time stamp follows.
        """
        self._pending_loss += seconds
        self._blocks_since_loss = 0

    def finish(self) -> Iterator[np.ndarray]:
        """Yields silence for what was lost at the end."""
        yield from self._silence(round(self._pending_loss * self.sample_rate), self.losses)

    def notes(self) -> Iterator[Note]:
        """What the user should know about the time line."""
        if self.losses.number:
            yield lost_sound(str(self.losses))
        if self.gaps.number:
            yield Note("gap", str(self.gaps))
        if self.overlaps.number:
            yield Note("overlap", str(self.overlaps))

    def _missing(self, seconds: float) -> tuple[int, Places]:
        """How much silence a time stamp asks for, in samples, and what it stands for."""
        is_first, self._has_started = not self._has_started, True
        if self.zero is None:
            self.zero = seconds
        ahead = round((seconds - self.zero) * self.sample_rate) - self.position
        coarse = TOLERANCE_SECONDS * self.sample_rate
        if -coarse <= ahead <= 0 or self._num_to_drop:
            return 0, self.gaps
        if ahead < 0:
            self._num_to_drop = -ahead
            self.overlaps.add(self.position / self.sample_rate, -ahead / self.sample_rate)
            return 0, self.gaps
        if self._blocks_since_loss < LOSS_BLOCKS:
            if ahead <= LOSS_TOLERANCE_SECONDS * self.sample_rate:
                return 0, self.losses
            self._blocks_since_loss = LOSS_BLOCKS
            return ahead, self.losses
        if ahead > coarse:
            return ahead, self.gaps
        # A start that is a little late is not worth a note.
        return (ahead if is_first else 0), Places()

    def _silence(self, num_samples: int, places: Places) -> Iterator[np.ndarray]:
        if num_samples > 0:
            places.add(self.position / self.sample_rate, num_samples / self.sample_rate)
        while num_samples > 0:
            block = np.zeros((min(num_samples, SILENCE_SAMPLES), self.channels), np.float32)
            num_samples -= len(block)
            self.position += len(block)
            yield block
