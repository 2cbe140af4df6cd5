"""Log-mel band energies: the one front end of training, prediction and export.

Waveforms come in blocks of any sizes and become log-mel frames. Frames are computed in groups of
`GROUP_FRAMES` counted from the start of the clip, small enough to stay in the processor's cache.
The groups do not depend on the blocks, so neither do the values, bit for bit.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from earmark.audio.downmix import Downmix
from earmark.audio.reading import SampleCounter, stream_audio
from earmark.audio.source import WHOLE, Excerpt, Note
from earmark.config import FeatureConfig
from earmark.errors import ConfigError
from earmark.features.front_end import FrontEnd
from earmark.system.shapes import Float, Float16

GROUP_FRAMES = 192
GROUP_BANDS = 8
FLOOR = 1e-10
"""Smallest band value, -100 dB for energies; smaller ones count as silence."""


def hz_to_mel(frequency_hz: Float[np.ndarray, "..."], scale: str) -> Float[np.ndarray, "..."]:
    """Frequency on the mel scale.

    Args:
        frequency_hz: Frequencies in Hz.
        scale: ``slaney`` or ``htk``.

    Source:
        Slaney (1998), Auditory Toolbox, Interval Research report 1998-010: linear below 1 kHz,
        27 mels to the factor 6.4 above. Young et al. (2006), The HTK Book, section 5.4:
        2595 log10(1 + f / 700).

    Example:
        >>> hz_to_mel(np.array([1000.0]), "slaney")
        array([15.])
    """
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + frequency_hz / 700.0)
    linear = frequency_hz * 3.0 / 200.0
    logarithmic = 15.0 + np.log(np.maximum(frequency_hz, 1000.0) / 1000.0) * 27.0 / np.log(6.4)
    return np.where(frequency_hz < 1000.0, linear, logarithmic)


def mel_to_hz(mels: Float[np.ndarray, "..."], scale: str) -> Float[np.ndarray, "..."]:
    """The inverse of `hz_to_mel`, in Hz."""
    if scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    logarithmic = 1000.0 * np.exp(np.log(6.4) / 27.0 * (np.maximum(mels, 15.0) - 15.0))
    return np.where(mels < 15.0, mels * 200.0 / 3.0, logarithmic)


def mel_filterbank(config: FeatureConfig) -> Float[np.ndarray, "mels bins"]:
    """Triangular filters of equal width on the mel scale, each between its neighbours' centres.

    Args:
        config: Front-end settings.

    Returns:
        Weights of the ``1 + n_fft / 2`` bins of the spectrum, a row a band.

    Source:
        Slaney (1998), Auditory Toolbox, for the triangles and the norm by area.
    """
    bins_hz = np.arange(1 + config.n_fft // 2) * (config.sample_rate / config.n_fft)
    low, high = hz_to_mel(np.array([config.f_min, config.top_frequency]), config.mel_scale)
    edges_hz = mel_to_hz(np.linspace(low, high, config.n_mels + 2), config.mel_scale)
    left, centre, right = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if config.mel_norm == "slaney":
        weights *= 2.0 / (right - left)
    return weights


def hann_window(win_length: int, n_fft: int) -> Float[np.ndarray, " n_fft"]:
    """A periodic Hann window, centred in ``n_fft`` samples with zeros on both sides."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(win_length) / win_length)
    before = (n_fft - win_length) // 2
    return np.pad(hann, (before, n_fft - win_length - before))


@dataclass(frozen=True)
class LogMel:
    """The front end: waveform to log-mel band energies, in decibels.

    A band's energy is the weighted sum of the squared magnitudes of its bins, so its decibels
    depend on ``n_fft`` and ``mel_norm``; 20 dB more signal are 20 dB more in every band.

    Frames are centred: frame *t* is the sound around ``t * hop_length / sample_rate`` seconds, with
    silence before the first sample and after the last. Each clip is treated alone, so its values
    depend on nothing else. float32 samples give float32 values, float64 give float64.

    Args:
        config: Front-end settings.

    Raises:
        ConfigError: A band is so narrow that no bin of the spectrum falls in it.

    Example:
        >>> LogMel(FeatureConfig())(np.zeros(16_000, np.float32)).shape
        (40, 51)
    """

    config: FeatureConfig

    def __repr__(self) -> str:
        one = self.config
        return (
            f"LogMel(sample_rate={one.sample_rate}, n_fft={one.n_fft}, "
            f"hop_length={one.hop_length}, n_mels={one.n_mels})"
        )

    def __post_init__(self) -> None:
        empty = np.flatnonzero(mel_filterbank(self.config).sum(axis=1) == 0)
        if len(empty):
            raise ConfigError(
                f"features: {len(empty)} of {self.config.n_mels} mel bands hold no bin of the "
                f"spectrum (the first is band {empty[0]}); lower n_mels or raise n_fft"
            )

    def __call__(self, waveform: Float[np.ndarray, " time"]) -> Float[np.ndarray, "mels frames"]:
        """Log-mel band energies of a whole clip.

        Args:
            waveform: Samples in [-1, 1] at ``config.sample_rate``.

        Returns:
            As many columns as `FeatureConfig.num_frames` counts.
        """
        return np.concatenate(list(self.stream([waveform]))).T

    def stream(
        self, blocks: Iterable[Float[np.ndarray, " _"]], *, eager: bool = False
    ) -> Iterator[Float[np.ndarray, "frames mels"]]:
        """Log-mel frames of a clip that comes in blocks of any sizes.

        Args:
            blocks: Samples in [-1, 1] at ``config.sample_rate``.
            eager: Yield each frame as soon as its samples are there, for live sound. It takes more
                time; the values are the same, bit for bit.

        Yields:
            Groups of frames, in order; concatenated, they equal those of the whole clip, bit for
            bit.
        """
        hop, n_fft = self.config.hop_length, self.config.n_fft
        group_samples = (GROUP_FRAMES - 1) * hop + n_fft
        # The next group starts beyond this one's last sample if hop_length exceeds n_fft.
        needed_samples = max(group_samples, GROUP_FRAMES * hop)
        waiting: list[np.ndarray] = []
        num_waiting = num_done = 0
        for block in blocks:
            if not waiting:
                waiting, num_waiting = [np.zeros(n_fft // 2, block.dtype)], n_fft // 2
            waiting.append(block)
            num_waiting += len(block)
            if eager or num_waiting >= needed_samples:
                pending = np.concatenate(waiting)
                while len(pending) >= needed_samples:
                    yield from self._group(pending[:group_samples], num_done)
                    pending, num_done = pending[GROUP_FRAMES * hop :], 0
                if eager:
                    for frames in self._group(pending[:group_samples], num_done):
                        yield frames
                        num_done += len(frames)
                waiting, num_waiting = [pending], len(pending)
        if not waiting:
            return
        pending = np.concatenate([*waiting, np.zeros(n_fft // 2, waiting[0].dtype)])
        while len(pending) >= n_fft:
            yield from self._group(pending[:group_samples], num_done)
            pending, num_done = pending[GROUP_FRAMES * hop :], 0

    def _group(self, samples: np.ndarray, num_done: int = 0) -> Iterator[np.ndarray]:
        """Log-mel values of the frames of a group, a row a frame.

        Args:
            samples: Those of the group, or fewer at the end of the clip.
            num_done: Frames that were yielded before; nothing is yielded if there are no others.
        """
        hop, n_fft = self.config.hop_length, self.config.n_fft
        num_frames = max(0, 1 + (len(samples) - n_fft) // hop)
        if num_frames <= num_done:
            return
        tables = self._tables[samples.dtype.char]
        # Overlapping views; numpy's sliding_window_view takes as long as applying the window.
        strides = (hop * samples.itemsize, samples.itemsize)
        frames = np.ndarray((num_frames, n_fft), samples.dtype, samples, strides=strides)
        # The norm that divides by n_fft, which the window makes up for: without a norm numpy would
        # compute in float64, several times slower.
        spectrum = np.fft.rfft(frames[num_done:] * tables.window, axis=1, norm="forward")
        # Not abs(): its square root costs more than all of the rest.
        energy = spectrum.real**2
        energy += spectrum.imag**2
        power = self.config.power
        if power != 2.0:
            energy **= power / 2.0
        if len(energy) < GROUP_FRAMES:
            # Rounding depends on a row's place and on the size of the matrix, so both are kept.
            whole = np.zeros((GROUP_FRAMES, energy.shape[1]), energy.dtype)
            whole[num_done:num_frames] = energy
            energy = whole
        mel = np.empty((GROUP_FRAMES, self.config.n_mels), energy.dtype)
        for part in tables.filters:
            np.matmul(energy[:, part.bins], part.weights, out=mel[:, part.bands])
        mel = mel[num_done:num_frames]
        np.maximum(mel, FLOOR, out=mel)
        # numpy's log is vectorised, its log10 is not.
        decibels = np.log(mel, out=mel)
        decibels *= 20.0 / power / math.log(10.0)
        yield decibels

    @cached_property
    def _tables(self) -> dict[str, "_Tables"]:
        return {
            np.dtype(dtype).char: _make_tables(self.config, dtype)
            for dtype in (np.float32, np.float64)
        }


@dataclass(frozen=True)
class _BandGroup:
    """Neighbouring mel bands and the weights of the bins that they cover, (bins, bands)."""

    bands: slice
    bins: slice
    weights: Float[np.ndarray, "bins bands"]


@dataclass(frozen=True)
class _Tables:
    """The window, multiplied by ``n_fft``, and the filterbank."""

    window: Float[np.ndarray, " n_fft"]
    filters: tuple[_BandGroup, ...]


def _make_tables(config: FeatureConfig, dtype: type[np.floating]) -> _Tables:
    """The window, and the filterbank cut into a few dense parts: most of it is zeros."""
    weights = mel_filterbank(config).astype(dtype)
    groups = []
    for first in range(0, config.n_mels, GROUP_BANDS):
        bands = slice(first, min(first + GROUP_BANDS, config.n_mels))
        used = np.flatnonzero(weights[bands].any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1)
        groups.append(_BandGroup(bands, bins, np.ascontiguousarray(weights[bands, bins].T)))
    window = hann_window(config.win_length, config.n_fft).astype(dtype) * dtype(config.n_fft)
    return _Tables(window, tuple(groups))


@dataclass(frozen=True)
class Features:
    """Features of a file.

    Args:
        frames: Log-mel frames.
        duration_seconds: Length of the sound.
        notes: What was noticed in the file.
        source_rate: Sample rate of the file in Hz, if the sound is from a file.
    """

    frames: Float16[np.ndarray, "frames mels"]
    duration_seconds: float
    notes: tuple[Note, ...] = ()
    source_rate: int | None = None


def extract(
    path: Path,
    front_end: FrontEnd,
    excerpt: Excerpt = WHOLE,
    *,
    pipelined: bool = False,
) -> Features:
    """Log-mel frames of a file, rounded as `round_frames` does.

    The sound is decoded and transformed block by block; only the frames are held.

    Args:
        path: Any file that `earmark.audio.reading.stream_audio` reads.
        front_end: What computes the frames.
        excerpt: Which part of the file.
        pipelined: As for `earmark.audio.reading.stream_audio`.

    Raises:
        AudioError: As `earmark.audio.reading.stream_audio`.
    """
    config = front_end.config
    downmix = Downmix(config.channel)
    blocks = stream_audio(path, config.sample_rate, excerpt, downmix=downmix, pipelined=pipelined)
    return join_features(list(stream_features(blocks, front_end, downmix)))


def extract_blocks(blocks: Iterable[Float[np.ndarray, " _"]], front_end: FrontEnd) -> Features:
    """As `extract`, for sound that comes in blocks, at the rate of the front end."""
    return join_features(list(stream_features(blocks, front_end)))


def stream_features(
    blocks: Iterable[Float[np.ndarray, " _"]], front_end: FrontEnd, downmix: Downmix | None = None
) -> Iterator[Features]:
    """As `extract_blocks`, in parts; ``downmix`` has notes, if the blocks come from one.

    Yields:
        Groups of frames, as `FrontEnd.stream` gives them, with the length and the notes so far.
    """
    sound, waiting = SampleCounter(blocks), None

    def part(frames: Float16[np.ndarray, "_ mels"]) -> Features:
        seconds = sound.num_samples / front_end.config.sample_rate
        if downmix is None:
            return Features(frames, seconds)
        return Features(frames, seconds, tuple(downmix.notes), downmix.sample_rate)

    for frames in round_frames(front_end.stream(sound)):
        if waiting is not None:
            yield part(waiting)
        waiting = frames
    if waiting is not None:
        yield part(waiting)


def join_features(parts: Sequence[Features]) -> Features:
    """The features of a file that came in parts."""
    if len(parts) == 1:
        return parts[0]
    return replace(parts[-1], frames=np.concatenate([one.frames for one in parts]))


def round_frames(
    groups: Iterable[Float[np.ndarray, "_ mels"]],
) -> Iterator[Float16[np.ndarray, "_ mels"]]:
    """Frames in float16, as they are stored and predicted from.

    Values within 128 dB of 0 change by 0.03 dB at most.
    """
    # From float64 by way of float32, as ONNX Runtime casts.
    return (group.astype(np.float32, copy=False).astype(np.float16) for group in groups)
