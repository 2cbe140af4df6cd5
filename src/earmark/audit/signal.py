"""One pass over a recording: what its signal and its file are like, and its fingerprint."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from earmark.audio.decoding import open_source
from earmark.audio.reading import Block, Samples, read_mono, resample
from earmark.audit.fingerprints import SAMPLE_RATE, Fingerprint, fingerprint
from earmark.data.manifest import Recording

SILENT_PEAK = 1e-3
"""A recording whose largest sample is below this, -60 dB of full scale, is called silent."""
FLAT_SAMPLES = 3
"""So many equal samples in a row at the extreme of a block may be a flat top; what a codec made of
one is as many in a row over full scale."""
FULL_SCALE = 1.0
FLAT_PEAK = 0.1
"""Softer extremes are none."""
STEEP_STEPS = 4
"""A clipped wave leaves its top by more steps of its coding than this; a rounded one does not."""
SPECTRUM_SAMPLES = 1024
ROLL_OFF = 0.99
LEVEL_SECONDS = 0.05
NOISE_FLOOR_SHARE = 0.1
LOWEST_DB = -120


@dataclass(frozen=True)
class SignalStats:
    """What is known of a recording without its label.

    Args:
        digest: Of the decoded mono samples.
        duration_seconds: Length.
        sample_rate: In Hz, as the file has it.
        channels: As the file has them.
        codec: As the decoder calls it; the bit depth is in the name of a PCM coding.
        complaint: An inconsistency in the header.
        peak: Largest absolute sample.
        level_db: Root mean square, against full scale.
        noise_floor_db: Level that a tenth of the sound stays below.
        bandwidth_hz: Frequency below which 99 % of the power lies.
        leading_seconds: Silence before the first sample above -60 dB of full scale.
        trailing_seconds: Silence after the last one.
        dc_offset: Largest mean of a channel.
        num_clipped: Samples in flat tops, or in runs over full scale.
        dead_channel: Number of a channel that is silent while another is not.
    """

    digest: str
    duration_seconds: float
    sample_rate: int
    channels: int
    codec: str
    complaint: str | None
    peak: float
    level_db: float
    noise_floor_db: float
    bandwidth_hz: float
    leading_seconds: float
    trailing_seconds: float
    dc_offset: float
    num_clipped: int
    dead_channel: int | None


def listen(
    recording: Recording, cancel: threading.Event | None = None
) -> tuple[SignalStats, Fingerprint]:
    """Decodes a recording once; memory does not grow with its length, but for the fingerprint.

    Args:
        recording: The recording.
        cancel: As for `earmark.audio.reading.stream_audio`.

    Raises:
        AudioError: It cannot be used.
    """
    with open_source(recording.path) as source:
        channels = _ChannelMeter(source.channels)
        watched = replace(source, blocks=lambda excerpt: channels.watch(source.blocks(excerpt)))
        mono = _MonoMeter(source.sample_rate)
        native = read_mono(
            recording.path, watched, source.sample_rate, recording.excerpt, cancel=cancel
        )
        blocks = resample(mono.watch(native), source.sample_rate, SAMPLE_RATE)
        found = fingerprint(block for block in blocks if len(block))
    facts = SignalStats(
        digest=mono.digest.hexdigest(),
        duration_seconds=mono.num_samples / source.sample_rate,
        sample_rate=source.sample_rate,
        channels=source.channels,
        codec=source.codec,
        complaint=source.complaint,
        peak=mono.peak,
        level_db=_decibels(mono.power / mono.num_samples),
        noise_floor_db=mono.noise_floor_db,
        bandwidth_hz=mono.bandwidth_hz,
        leading_seconds=mono.leading / source.sample_rate,
        trailing_seconds=(mono.num_samples - mono.last_loud) / source.sample_rate,
        dc_offset=float(np.abs(channels.sums / mono.num_samples).max()),
        num_clipped=channels.num_clipped,
        dead_channel=channels.dead_channel,
    )
    return facts, found


class _ChannelMeter:
    """Counts what can only be seen before the channels are averaged."""

    def __init__(self, num_channels: int) -> None:
        self.sums = np.zeros(num_channels)
        self.peaks = np.zeros(num_channels)
        self.num_clipped = 0

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            if len(block):
                self.sums += block.sum(axis=0, dtype=np.float64)
                self.peaks = np.maximum(self.peaks, np.abs(block).max(axis=0))
                self.num_clipped += sum(_count_flat(channel) for channel in block.T)
            yield block

    @property
    def dead_channel(self) -> int | None:
        if len(self.peaks) < 2 or self.peaks.max() < SILENT_PEAK:
            return None
        dead = np.flatnonzero(self.peaks < 0.1 * SILENT_PEAK)
        return int(dead[0]) if len(dead) else None


def _count_flat(samples: np.ndarray) -> int:
    """Samples of one channel that lie in flat tops at an extreme of the block, or over full scale.

    Slow waves of few bits are flat at their tops as well, by rounding, but leave them by a few
    steps of their coding only; a step is the smallest difference between any two levels.
    """
    count = 0
    for signed in (samples, -samples):
        top = signed.max()
        if top < FLAT_PEAK:
            continue
        is_over = bool(top > FULL_SCALE)
        is_top = signed > FULL_SCALE if is_over else signed == top
        if is_top.sum() < FLAT_SAMPLES:
            continue
        edges = np.flatnonzero(np.diff(is_top, prepend=False, append=False))
        first, last = edges[::2], edges[1::2]
        beside = np.minimum(
            signed[np.maximum(first - 1, 0)], signed[np.minimum(last, len(signed) - 1)]
        )
        steps = np.diff(np.unique(samples))
        is_steep = top - beside > STEEP_STEPS * steps.min(initial=np.inf)
        count += int((last - first)[(is_steep | is_over) & (last - first >= FLAT_SAMPLES)].sum())
    return count


class _MonoMeter:
    """Counts what the mono samples tell, block by block."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._spectrum = np.zeros(SPECTRUM_SAMPLES // 2 + 1)
        self._levels = np.zeros(1 - LOWEST_DB, np.int64)
        self.digest = hashlib.blake2b(digest_size=16)
        self.num_samples = 0
        self.peak = 0.0
        self.power = 0.0
        self.leading = 0
        self.last_loud = 0

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            # Adding zero makes a negative zero, which some decoders give, a plain one.
            self.digest.update((block + np.float32(0)).tobytes())
            self.peak = max(self.peak, float(np.abs(block).max()))
            self.power += float(np.square(block, dtype=np.float64).sum())
            loud = np.flatnonzero(np.abs(block) >= SILENT_PEAK)
            if len(loud):
                if not self.last_loud:
                    self.leading = self.num_samples + int(loud[0])
                self.last_loud = self.num_samples + int(loud[-1]) + 1
            self._measure(block)
            self.num_samples += len(block)
            yield block
        if not self.last_loud:
            self.leading, self.last_loud = self.num_samples, self.num_samples

    def _measure(self, block: Samples) -> None:
        whole = len(block) // SPECTRUM_SAMPLES * SPECTRUM_SAMPLES
        frames = block[:whole].reshape(-1, SPECTRUM_SAMPLES) * _SPECTRUM_WINDOW
        self._spectrum += np.square(np.abs(np.fft.rfft(frames))).sum(axis=0)
        size = round(LEVEL_SECONDS * self._rate)
        whole = len(block) // size * size
        powers = np.square(block[:whole].reshape(-1, size)).mean(axis=1, dtype=np.float64)
        levels = np.maximum(10 * np.log10(np.maximum(powers, 1e-12)), LOWEST_DB).astype(int)
        np.add.at(self._levels, np.minimum(levels - LOWEST_DB, -LOWEST_DB), 1)

    @property
    def noise_floor_db(self) -> float:
        reached = np.cumsum(self._levels) >= NOISE_FLOOR_SHARE * max(self._levels.sum(), 1)
        return float(np.argmax(reached) + LOWEST_DB)

    @property
    def bandwidth_hz(self) -> float:
        power = np.cumsum(self._spectrum)
        share = int(np.argmax(power >= ROLL_OFF * power[-1]))
        return share * self._rate / SPECTRUM_SAMPLES


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))


_SPECTRUM_WINDOW = np.hanning(SPECTRUM_SAMPLES).astype(np.float32)
