"""Level, frequency response and noise."""

from dataclasses import dataclass

import numpy as np

from earmark.data.dataset import Batch
from earmark.system.shapes import Float
from earmark.training.augment.base import (
    Augmentation,
    BatchShape,
    Drawn,
    add_energies,
    level_db,
    tensors,
)

CURVE_POINTS = 5
"""Points of a smooth random curve over the bands."""
NOISE_RANGE_DB = 30.0
NOISE_COLOUR_DB = 15.0
NOISE_SHAPE = 3.0
"""Shape of the gamma distribution of the noise's energy; a band sums a few bins."""


@dataclass(frozen=True)
class Gain(Augmentation):
    """Random gain.

    Args:
        largest_db: Largest change in either direction, in decibels.
    """

    largest_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Change of each window, in decibels."""
        return tensors(changes=rng.uniform(-self.largest_db, self.largest_db, shape.num_windows))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Adds the change."""
        return batch._replace(log_mel=batch.log_mel + drawn["changes"][:, None, None, None])


@dataclass(frozen=True)
class Filter(Augmentation):
    """Random smooth frequency response, as of another room or microphone.

    Args:
        largest_db: Largest change of a band in either direction, in decibels.

    Source:
        Nam et al. (2022), FilterAugment: an acoustic environmental data augmentation method,
        arXiv:2110.03282, the linear type.
    """

    largest_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Change of each band of each window, in decibels."""
        return tensors(curves=_curves(rng, shape, self.largest_db))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Adds the curve to every frame."""
        return batch._replace(log_mel=batch.log_mel + drawn["curves"][:, None, :, None])


@dataclass(frozen=True)
class Noise(Augmentation):
    """Noise of a random colour, added as energy.

    Args:
        fraction: Fraction of the windows that get noise.
        loudest_snr_db: Lowest ratio of the window's mean energy to the noise's, before its colour:
            that has a mean of 0 in decibels, not in energy, and may add some 10 dB.
    """

    fraction: float
    loudest_snr_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Noise relative to the window's level, in decibels; minus infinity where there is none."""
        snr_db = self.loudest_snr_db + rng.uniform(0, NOISE_RANGE_DB, shape.num_windows)
        curves = _curves(rng, shape, NOISE_COLOUR_DB) - snr_db[:, None]
        size = (shape.num_windows, shape.n_mels, shape.num_frames)
        grain = rng.standard_gamma(NOISE_SHAPE, size, dtype=np.float32) / NOISE_SHAPE
        curves[rng.random(shape.num_windows) >= self.fraction] = -np.inf
        return tensors(curves=curves, grain_db=10 * np.log10(np.maximum(grain, 1e-6)))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Adds the energies."""
        log_mel = batch.log_mel
        # Time stretching may have made the windows shorter than the draw, never longer.
        grain_db = drawn["grain_db"][:, :, : log_mel.shape[3]]
        noise = (drawn["curves"][:, :, None] + grain_db)[:, None] + level_db(log_mel)
        return batch._replace(log_mel=add_energies(log_mel, noise))


def _curves(
    rng: np.random.Generator, shape: BatchShape, largest_db: float
) -> Float[np.ndarray, "batch mels"]:
    """Smooth random curves over the bands: straight lines between a few random points."""
    points = rng.uniform(-largest_db, largest_db, (shape.num_windows, CURVE_POINTS))
    places = np.linspace(0, CURVE_POINTS - 1, shape.n_mels)
    left = np.minimum(places.astype(int), CURVE_POINTS - 2)
    weight = places - left
    return points[:, left] * (1 - weight) + points[:, left + 1] * weight
