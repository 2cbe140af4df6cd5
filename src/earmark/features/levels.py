"""Levels of log-mel frames in dB of full scale, which define silence."""

import functools
from typing import Any

import numpy as np

from earmark.config import FeatureConfig
from earmark.features.log_mel import FLOOR, hann_window, mel_filterbank
from earmark.system.shapes import Float, Float64

LOWEST_DB = -200.0
"""The level of digital silence, instead of minus infinity."""
_CHUNK_FRAMES = 1 << 16
_FIRST_FRAMES = 64


def frame_levels_db(
    frames: Float[np.ndarray, "frames mels"], config: FeatureConfig
) -> Float64[np.ndarray, " frames"]:
    """Level of each frame: the root of its mean square, in dB of full scale.

    It is Parseval's sum over the mel bands, and an estimate where ``features.power`` is not 2,
    since the bands are not energies then. Bands at the front end's floor count as empty.

    Args:
        frames: Log-mel frames, rounded to float16 as everywhere.
        config: The front end that computed them.

    Returns:
        `LOWEST_DB` or more; 0 for the vectors of an embedder, whose level is not known, so that
        none of them counts as silence.
    """
    if config.embedder is not None:
        return np.zeros(len(frames))
    return power_db(_band_powers(frames, config) @ band_weights(config))


def power_db(mean_square: Any, lowest_db: float = LOWEST_DB) -> Any:
    """A mean square in dB of full scale: 0 dB for a square wave at full scale.

    Args:
        mean_square: Mean of the squared samples; a number or an array.
        lowest_db: The level of digital silence.

    Example:
        >>> float(power_db(0.01)), float(power_db(0.0, -120.0))
        (-20.0, -120.0)
    """
    return 10.0 * np.log10(np.maximum(mean_square, 10.0 ** (lowest_db / 10.0)))


def mean_band_powers(
    frames: Float[np.ndarray, "frames mels"], config: FeatureConfig
) -> Float64[np.ndarray, " mels"]:
    """Power of each mel band, the mean over the frames; few frames at a time are in memory.

    Args:
        frames: Log-mel frames of a whole clip.
        config: The front end that made them.
    """
    total = np.zeros(frames.shape[1])
    for first in range(0, len(frames), _CHUNK_FRAMES):
        total += _band_powers(frames[first : first + _CHUNK_FRAMES], config).sum(axis=0)
    return total / len(frames)


def mean_level_db(powers: Float64[np.ndarray, " mels"], config: FeatureConfig) -> float:
    """Level of a clip from the powers of its bands: that of its mean square.

    Args:
        powers: As from `mean_band_powers`.
        config: The front end that made the frames.
    """
    return float(power_db(powers @ band_weights(config)))


def _band_powers(
    frames: Float[np.ndarray, "frames mels"], config: FeatureConfig
) -> Float64[np.ndarray, "frames mels"]:
    # The floor is rounded as the frames are, to recognise it in them.
    floor_db = float(np.float16(20.0 / config.power * np.log10(FLOOR)))
    powers = 10.0 ** (frames.astype(np.float64) / 10.0) - 10.0 ** (floor_db / 10.0)
    return np.maximum(powers, 0.0)


def peak_level_db(frames: Float[np.ndarray, "frames mels"], config: FeatureConfig) -> float:
    """Level of a clip's loudest frame; see `frame_levels_db`."""
    return float(frame_levels_db(frames, config).max())


def is_silent(
    frames: Float[np.ndarray, "frames mels"], config: FeatureConfig, silence_db: float
) -> bool:
    """Whether the loudest frame of a clip is below a level; most clips are decided by a few frames.

    Args:
        frames: Log-mel frames of a whole clip.
        config: The front end that made them.
        silence_db: The level, in dB of full scale.

    Example:
        >>> is_silent(np.full((51, 40), -100, np.float16), FeatureConfig(), -80.0)
        True
    """
    first, size = 0, _FIRST_FRAMES
    while first < len(frames):
        if peak_level_db(frames[first : first + size], config) >= silence_db:
            return False
        first, size = first + size, min(4 * size, _CHUNK_FRAMES)
    return True


def window_levels_db(
    windows: Float[np.ndarray, "windows mels frames"], config: FeatureConfig
) -> Float64[np.ndarray, " windows"]:
    """Level of the loudest frame of each window; see `frame_levels_db`."""
    frames = windows.transpose(0, 2, 1)
    levels_db = frame_levels_db(frames.reshape(-1, frames.shape[2]), config)
    return levels_db.reshape(frames.shape[:2]).max(axis=1)


@functools.lru_cache(maxsize=4)
def band_weights(config: FeatureConfig) -> Float64[np.ndarray, " mels"]:
    """Weights with which the energies of bands add up to a frame's mean square.

    Triangles of equal peaks add up to one over the spectrum, so filters are rescaled to these. A
    sum of powers other than 2 is treated as a sum of equal terms.
    """
    areas = mel_filterbank(config).sum(axis=1)
    equal_peaks = mel_filterbank(config.model_copy(update={"mel_norm": "none"})).sum(axis=1)
    window = hann_window(config.win_length, config.n_fft)
    # The bins are half of the spectrum; the other half is its mirror image.
    parseval = 2.0 / (config.n_fft * (window**2).sum())
    return parseval * equal_peaks * areas ** (-2.0 / config.power)
