"""One pass over a recording: statistics of its signal and file, and its fingerprint."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from earmark.audio.decoding import open_source
from earmark.audio.downmix import Block, Downmix, Samples
from earmark.audio.reading import read_mono, resample
from earmark.audio.source import Note
from earmark.data.recording import Recording
from earmark.data.signals.frame_levels import LOWEST_DB, FrameLevels
from earmark.features.fingerprints import SAMPLE_RATE, Fingerprint, fingerprint
from earmark.features.levels import power_db

SILENT_PEAK = 1e-3
"""A recording whose largest sample is below this, -60 dB of full scale, is silent."""
FLAT_SAMPLES = 3
"""Fewest equal samples in a row at the extreme of a block that may be a flat top; a lossy codec
turns one into as many in a row over full scale."""
FULL_SCALE = 1.0
FLAT_PEAK = 0.1
"""Extremes below this are not flat tops."""
STEEP_STEPS = 4
"""A clipped wave leaves its top by more quantization steps than this; a rounded one by fewer."""
SPECTRUM_SAMPLES = 1024
ROLL_OFF = 0.99
REACH_DB = 60.0
"""Power so far below that of the strongest frequency is what a low-pass filter leaves over."""


@dataclass(frozen=True)
class SignalStats:
    """Statistics of a recording, without its label.

    Args:
        digest: Digest of the decoded mono samples.
        duration_seconds: Length.
        sample_rate: Sample rate of the file, in Hz.
        channels: Number of channels of the file.
        codec: The decoder's name of it, with the bit depth of a PCM coding.
        notes: What decoding noticed, such as inconsistencies in the header.
        peak: Largest absolute sample.
        level_db: Mean square, in dB of full scale.
        noise_floor_db: The 10th percentile of the levels of short frames, in dB of full scale.
        bandwidth_hz: Frequency below which 99% of the power lies; None for fewer than
            `SPECTRUM_SAMPLES` samples, too few for a spectrum.
        reach_hz: Highest frequency whose power is at most `REACH_DB` below that of the strongest
            one, such as that of a low-pass filter; as ``bandwidth_hz``.
        median_hz: Frequency below which half of the power lies, without an offset; as
            ``bandwidth_hz``.
        leading_seconds: Silence before the first sample above -60 dB of full scale.
        trailing_seconds: Silence after the last one.
        dc_offset: Largest absolute mean of a channel.
        num_clipped: Samples in flat tops, or in runs over full scale.
        dead_channel: Index of a channel that is silent while another is not.
        active_fraction: Fraction of short frames that are at most `ACTIVE_DB` below the loudest
            one; 0 in a silent recording.
        event_seconds: Median length of the runs of such frames; as ``active_fraction``.
    """

    digest: str
    duration_seconds: float
    sample_rate: int
    channels: int
    codec: str
    notes: tuple[Note, ...]
    peak: float
    level_db: float
    noise_floor_db: float
    bandwidth_hz: float | None
    reach_hz: float | None
    median_hz: float | None
    leading_seconds: float
    trailing_seconds: float
    dc_offset: float
    num_clipped: int
    dead_channel: int | None
    active_fraction: float
    event_seconds: float


class Measurement(NamedTuple):
    """What is measured of a recording."""

    stats: SignalStats
    fingerprint: Fingerprint


def analyze_signal(
    recording: Recording, on_block: Callable[[], None] = lambda: None
) -> Measurement:
    """Decodes a recording once.

    Memory grows with its length by the fingerprint and by a byte for each short frame only.

    Args:
        recording: The recording.
        on_block: Called after each block.

    Raises:
        AudioError: The recording cannot be read.
    """
    with open_source(recording.path) as source:
        channels = _ChannelMeter(source.channels)
        watched = replace(source, blocks=lambda excerpt: channels.watch(source.blocks(excerpt)))
        mono = _MonoMeter(source.sample_rate)
        mixed = Downmix().mono(recording.path, watched)
        native = read_mono(recording.path, mixed, source.sample_rate, recording.excerpt)
        blocks = resample(mono.watch(native), source.sample_rate, SAMPLE_RATE)
        print_ = fingerprint(block for block in _report(blocks, on_block) if len(block))
    is_silent = mono.peak < SILENT_PEAK
    stats = SignalStats(
        digest=mono.digest.hexdigest(),
        duration_seconds=mono.num_samples / source.sample_rate,
        sample_rate=source.sample_rate,
        channels=source.channels,
        codec=source.codec,
        notes=tuple(source.notes),
        peak=mono.peak,
        level_db=float(power_db(mono.power / mono.num_samples, float(LOWEST_DB))),
        noise_floor_db=mono.levels.noise_floor_db,
        bandwidth_hz=mono.bandwidth_hz,
        reach_hz=mono.reach_hz,
        median_hz=mono.median_hz,
        leading_seconds=mono.leading / source.sample_rate,
        trailing_seconds=(mono.num_samples - mono.last_loud) / source.sample_rate,
        dc_offset=float(np.abs(channels.sums / mono.num_samples).max()),
        num_clipped=channels.num_clipped,
        dead_channel=channels.dead_channel,
        active_fraction=0.0 if is_silent else mono.levels.active_fraction,
        event_seconds=0.0 if is_silent else mono.levels.event_seconds,
    )
    return Measurement(stats, print_)


def _report(blocks: Iterable[Block], on_block: Callable[[], None]) -> Iterator[Block]:
    for block in blocks:
        on_block()
        yield block


class _ChannelMeter:
    """Statistics that need the channels before they are averaged."""

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
    """Number of samples of one channel in flat tops at an extreme of the block, or over full scale.

    Rounding to few bits also flattens the tops of slow waves, but they leave those by a few
    quantization steps only; a step is the smallest difference between any two levels.
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
    """Statistics of the mono samples, block by block."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._spectrum = np.zeros(SPECTRUM_SAMPLES // 2 + 1)
        self._num_spectra = 0
        self.levels = FrameLevels(sample_rate)
        self.digest = hashlib.blake2b(digest_size=16)
        self.num_samples = 0
        self.peak = 0.0
        self.power = 0.0
        self.leading = 0
        self.last_loud = 0

    def watch(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            # Adding zero turns a negative zero, which some decoders give, into a positive one.
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
        self._num_spectra += len(frames)
        self.levels.add(block)

    @property
    def bandwidth_hz(self) -> float | None:
        return self._roll_off(self._spectrum, ROLL_OFF)

    @property
    def reach_hz(self) -> float | None:
        if not self._num_spectra:
            return None
        spectrum = self._without_offset
        reached = np.flatnonzero(spectrum >= 10.0 ** (-REACH_DB / 10.0) * spectrum.max())
        return int(reached[-1]) * self._rate / SPECTRUM_SAMPLES if spectrum.any() else 0.0

    @property
    def median_hz(self) -> float | None:
        return self._roll_off(self._without_offset, 0.5)

    @property
    def _without_offset(self) -> np.ndarray:
        # An offset is in the first two bins of a windowed spectrum.
        return np.where(np.arange(len(self._spectrum)) < 2, 0.0, self._spectrum)

    def _roll_off(self, spectrum: np.ndarray, fraction: float) -> float | None:
        if not self._num_spectra:
            return None
        power = np.cumsum(spectrum)
        num_bins = int(np.argmax(power >= fraction * power[-1]))
        return num_bins * self._rate / SPECTRUM_SAMPLES


_SPECTRUM_WINDOW = np.hanning(SPECTRUM_SAMPLES).astype(np.float32)
