"""From the channels of a sound to one, and what is wrong with its samples or channels."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.audio.decoding import name_damage
from earmark.audio.source import Note, Source
from earmark.errors import AudioError
from earmark.system.shapes import Float32

Samples = Float32[np.ndarray, " time"]
Block = Float32[np.ndarray, " _"]
"""Samples of one of several blocks, which may differ in length."""

MAX_SAMPLE = 1e10
"""Far above unscaled 32-bit integers, and far below the square root of what float32 can hold."""
LOUDEST_SAMPLE = 16.0
"""24 dB over full scale, more than the headroom of a mix or the overshoot of a codec: larger
samples are on the scale of integers."""
OVER_SCALE = 2.0
"""Larger samples are on the scale of integers if all are whole numbers."""
INTEGER_BITS = (8, 16, 24, 32)
BLOCKS_READ_ON = 15
"""Blocks that are read for the largest sample when the first too large one is met."""
CANCELLED_RATIO = 10.0**-1.2
"""Channels cancel where their mean has less than this fraction, -12 dB, of the power that it has
when they are independent; for two equally loud ones, below a correlation of -0.94."""
CANCELLED_PART = 0.5
"""Fraction of the sound's power in which the channels must cancel."""
SILENT_LOSS_DB = 60.0
"""What is left beyond it is the noise of quantization and codecs."""
PCM_32 = ("pcm_32", "pcm_s32")
"""32-bit integers, as libsndfile and FFmpeg name them."""
UPPER_BITS = 2.0**-8
"""Smallest sample that uses the upper 8 of 32 bits."""


class Downmix:
    """Makes one channel of those of a sound, for one sound; it notices channels that cancel.

    Args:
        channel: Number of the channel that is used, from 1; None for the mean of all.

    Example:
        >>> left = np.sin(np.arange(1000, dtype=np.float32))
        >>> downmix = Downmix()
        >>> [mono] = downmix.read("a", [np.stack([left, -left], axis=1)], 16_000)
        >>> float(mono.max()), downmix.notes[0].kind
        (0.0, 'out_of_phase')
    """

    def __init__(self, channel: int | None = None) -> None:
        self.channel = channel
        self.sample_rate: int | None = None
        """Rate of the sound in Hz, once it is read."""
        self.num_values = 0
        """Samples of all channels that were read so far."""
        self.notes: list[Note] = []
        """What was noticed, once the sound is read."""
        self._phase = _PhaseMeter()
        self._bits: _BitMeter | None = None

    def mono(self, path: Path, source: Source) -> Source:
        """An open file whose blocks have one channel, (time,) each; it has the same notes.

        Args:
            path: The file, for messages.
            source: The open file.
        """
        self.notes = source.notes
        if source.codec.lower().rstrip("lbe").endswith(PCM_32):
            self._bits = _BitMeter()
        return replace(
            source,
            blocks=lambda excerpt: self.read(
                path, name_damage(path, source.blocks(excerpt)), source.sample_rate
            ),
        )

    def read(
        self,
        name: Path | str,
        blocks: Iterable[np.ndarray],
        sample_rate: int,
        *,
        read_on: bool = True,
    ) -> Iterator[Samples]:
        """The blocks with one channel each.

        Args:
            name: Of the sound, for messages.
            blocks: Samples, (time, channels).
            sample_rate: Their rate, in Hz.
            read_on: Read more blocks for the message of an error.

        Raises:
            AudioError: The channel is missing; a sample is not finite or far outside of [-1, 1].
        """
        self.sample_rate = sample_rate
        num_samples = 0
        remaining = iter(blocks)
        for block in remaining:
            mono = self._mix(name, block)
            peak = max(mono.max(initial=0.0), -mono.min(initial=0.0))
            # Not ">", which is false for NaN.
            if not peak <= MAX_SAMPLE:
                raise _unusable_sample(name, mono, num_samples, sample_rate)
            if peak > LOUDEST_SAMPLE or (peak > OVER_SCALE and _is_whole(block)):
                others = itertools.islice(remaining, BLOCKS_READ_ON if read_on else 0)
                raise _wrong_scale(name, itertools.chain([block], others))
            num_samples += len(mono)
            self.num_values += block.size
            yield np.ascontiguousarray(mono)
        if self._phase.cancels:
            self.notes.append(Note("out_of_phase", self._phase.describe()))
        if self._bits and self._bits.wastes_upper:
            self.notes.append(Note("unused_bits", self._bits.describe()))

    def _mix(self, name: Path | str, block: np.ndarray) -> Samples:
        num_channels = block.shape[1]
        if self._bits:
            self._bits.add(block)
        if self.channel is not None:
            if self.channel > num_channels:
                raise missing_channel(name, self.channel, num_channels)
            return block[:, self.channel - 1]
        # A sum of columns: `mean(axis=1)` is many times slower for a few channels.
        mono = functools.reduce(np.add, block.T)
        if num_channels > 1:
            mono /= np.float32(num_channels)
            self._phase.add(block, mono)
        return mono


class _PhaseMeter:
    """How much of the power of channels is left in their mean, without offsets."""

    def __init__(self) -> None:
        self._power = self._cancelled_power = self._mean_power = 0.0

    def add(self, block: np.ndarray, mono: Samples) -> None:
        """Takes a block, (time, channels), and the mean of its channels."""
        if not len(mono):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            power = float(np.vdot(block, block)) / block.shape[1]
            mean_power = float(np.vdot(mono, mono)) - len(mono) * float(mono.mean()) ** 2
            limit = CANCELLED_RATIO / block.shape[1]
            if mean_power < limit * power:
                # Only now without the offset of each channel, which takes longer.
                power = len(mono) * float(block.var(axis=0, dtype=np.float64).mean())
                if mean_power < limit * power:
                    self._cancelled_power += power
        self._power += power
        self._mean_power += max(mean_power, 0.0)

    @property
    def cancels(self) -> bool:
        """Whether the channels of what was read cancel when they are averaged."""
        return self._power > 0 and self._cancelled_power >= CANCELLED_PART * self._power

    def describe(self) -> str:
        """What happens to such channels, and how to fix it."""
        loss_db = 200.0
        if self._mean_power > 0:
            loss_db = 10 * math.log10(self._power / self._mean_power)
        loss = "is silent" if loss_db > SILENT_LOSS_DB else f"is {loss_db:.0f} dB weaker"
        return (
            f"the channels are out of phase, so their mean {loss}; invert one, save one alone, or "
            "train with features.channel=1"
        )


class _BitMeter:
    """Which of 32 bits the samples use."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._uses_lower = False

    def add(self, block: np.ndarray) -> None:
        """Takes a block, (time, channels)."""
        self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        if not self._uses_lower and self._peak < UPPER_BITS:
            self._uses_lower = not _is_whole(block * np.float32(2.0**23))

    @property
    def wastes_upper(self) -> bool:
        """Whether no sample uses the upper 8 bits, although the lower 8 are used."""
        return self._uses_lower and self._peak < UPPER_BITS

    def describe(self) -> str:
        """What such samples are, and how to fix it."""
        # The next smaller type that holds the largest sample.
        bits = 16 if self._peak < 2.0**-16 else 24
        peak_db = 20 * math.log10(self._peak)
        return (
            f"uses only the lower {bits} of 32 bits (peak {peak_db:.0f} dBFS); if these are "
            f"{bits}-bit samples, multiply them by {2 ** (32 - bits)}"
        )


def missing_channel(name: Path | str, channel: int, num_channels: int) -> AudioError:
    """The error of a sound that lacks the channel that features use.

    Args:
        name: Of the sound.
        channel: Number of the channel, from 1.
        num_channels: How many it has.
    """
    return AudioError(
        f"{name}: no channel {channel}, it has {num_channels}; set features.channel to one that "
        "all files have, or leave the file out",
        "channel",
    )


def _is_whole(block: np.ndarray) -> bool:
    return bool((block == np.rint(block)).all())


def _wrong_scale(name: Path | str, blocks: Iterable[np.ndarray]) -> AudioError:
    ranges = [(float(one.min()), float(one.max())) for one in blocks if one.size]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    peak = max(high, -low)
    return AudioError(
        f"{name}: samples reach {peak:.0f}, and full scale is 1; {_scale_advice(low, high)}",
        "scale",
    )


def _scale_advice(low: float, high: float) -> str:
    """How to bring samples of integers to [-1, 1].

    Args:
        low: The smallest sample.
        high: The largest sample.
    """
    if low >= 0:
        for bits in INTEGER_BITS:
            if high < 2**bits:
                return f"subtract {2 ** (bits - 1)}, then divide by {2 ** (bits - 1)}"
    fitting = [2 ** (bits - 1) for bits in INTEGER_BITS if max(high, -low) <= 2 ** (bits - 1)]
    if not fitting:
        return "divide by the largest value of their type"
    if fitting[0] == 2 ** (INTEGER_BITS[0] - 1):
        return f"divide by {fitting[0]} if they are 8-bit integers, by {fitting[1]} if 16-bit"
    return f"divide by {fitting[0]}"


def _unusable_sample(
    name: Path | str, mono: Samples, num_before: int, sample_rate: int
) -> AudioError:
    first = int(np.argmin(np.abs(mono) <= MAX_SAMPLE))
    where = f"{name}: the sample at {(num_before + first) / sample_rate:.3f} s"
    if np.isfinite(mono[first]):
        return AudioError(
            f"{where} is {mono[first]:.0e}, far outside [-1, 1]; replace the file",
            "damaged",
        )
    return AudioError(f"{where} is not a finite number; replace the file", "not_finite")
