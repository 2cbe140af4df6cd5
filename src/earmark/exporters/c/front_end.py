"""The tables of the front end, as the generated code uses them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.config import FeatureConfig
from earmark.features.levels import band_weights
from earmark.features.log_mel import hann_window, mel_filterbank
from earmark.system.shapes import Float64


@dataclass(frozen=True)
class FrontEnd:
    """Tables of the front end.

    Args:
        factors: Factors of ``n_fft / 2``, whose product it is.
        turns: Cosine and sine of ``2 pi k / n_fft``, for k to ``n_fft / 2``.
        window: The first half of the symmetric window, and its middle.
        bands: First bin and number of bins of each band.
        band_weights: Of these bins, band after band.
        level_weights: With which the energies of bands add up to the mean square of a frame.
    """

    factors: Sequence[int]
    turns: Float64[np.ndarray, "turns 2"]
    window: Float64[np.ndarray, " half"]
    bands: Sequence[tuple[int, int]]
    band_weights: Float64[np.ndarray, " weights"]
    level_weights: Float64[np.ndarray, " bands"]


def front_end_tables(config: FeatureConfig) -> FrontEnd:
    """The tables of a front end.

    Args:
        config: Its settings.

    Example:
        >>> tables = front_end_tables(FeatureConfig())
        >>> tables.factors, tables.bands[:2]
        ([4, 4, 4, 4, 2], [(1, 9), (5, 10)])
    """
    angles = 2.0 * np.pi * np.arange(config.n_fft // 2 + 1) / config.n_fft
    bands, weights = [], []
    for row in mel_filterbank(config):
        used = np.flatnonzero(row)
        first, last = int(used[0]), int(used[-1])
        bands.append((first, last - first + 1))
        weights.append(row[first : last + 1])
    return FrontEnd(
        factorize(config.n_fft // 2),
        np.stack([np.cos(angles), np.sin(angles)], axis=1),
        hann_window(config.win_length, config.win_length)[: config.win_length // 2 + 1],
        bands,
        np.concatenate(weights),
        band_weights(config),
    )


def factorize(number: int) -> list[int]:
    """Factors of the passes of a Fourier transform: fours, then what is left.

    Args:
        number: Its length.

    Example:
        >>> factorize(512), factorize(200), factorize(7), factorize(1)
        ([4, 4, 4, 4, 2], [4, 2, 5, 5], [7], [1])
    """
    factors, factor = [], 4
    while number > 1:
        while number % factor:
            factor = {4: 2, 2: 3}.get(factor, factor + 2)
        factors.append(factor)
        number //= factor
    return factors or [1]
