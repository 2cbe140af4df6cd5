"""Mixing with other windows of the batch: their sound, or their statistics."""

from dataclasses import dataclass

import numpy as np
import torch

from earmark.data.dataset import Batch
from earmark.training.augment.base import (
    Augmentation,
    BatchShape,
    Drawn,
    add_energies,
    decibels,
    level_db,
    tensors,
)


@dataclass(frozen=True)
class Mixup(Augmentation):
    """Each window mixed with another one of its batch, targets as well.

    Args:
        fraction: Fraction of the windows that are mixed.
        alpha: Both parameters of the beta distribution of the ratio.
        by_energy: Mix energies, as if both sounds played at once, not the values in decibels.
        union: Keep all labels of both, as two sounds at once have in a multi-label task.

    Source:
        Zhang et al. (2018), mixup: beyond empirical risk minimization, arXiv:1710.09412, section 2.
        Tokozume et al. (2018), Learning from between-class examples for deep sound recognition,
        arXiv:1711.10282, equation 2: amplitudes in the ratio r to 1 - r have energies in that of
        r² to (1 - r)², here over their sum.
    """

    fraction: float
    alpha: float
    by_energy: bool = False
    union: bool = False

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window, and the window's own weight, at least a half."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        ratios = np.maximum(ratios, 1 - ratios)
        ratios[rng.random(shape.num_windows) >= self.fraction] = 1.0
        return {
            "partners": torch.from_numpy(rng.permutation(shape.num_windows)),
            **tensors(ratios=ratios),
        }

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Mixes each window with its partner."""
        log_mel, targets = batch.log_mel, batch.targets
        ratios, partners = drawn["ratios"], drawn["partners"]
        weight, other = ratios[:, None, None, None], log_mel[partners]
        if self.by_energy:
            other = other + level_db(log_mel) - level_db(other)
            own_energy, other_energy = weight**2, (1 - weight) ** 2
            total = own_energy + other_energy
            mixed = add_energies(
                log_mel + decibels(own_energy / total), other + decibels(other_energy / total)
            )
        else:
            mixed = torch.lerp(other, log_mel, weight)
        if self.union:
            both = torch.maximum(targets, targets[partners])
            mixed_targets = torch.where(ratios[:, None] < 1, both, targets)
        else:
            mixed_targets = torch.lerp(targets[partners], targets, ratios[:, None])
        return batch._replace(log_mel=mixed, targets=mixed_targets)


@dataclass(frozen=True)
class FreqMixStyle(Augmentation):
    """Freq-MixStyle: the mean and deviation of each band, mixed with those of another window.

    Args:
        fraction: Fraction of the batches in which it is applied.
        alpha: Both parameters of the beta distribution of the ratio.

    Source:
        Kim et al. (2022), Domain generalization with relaxed instance frequency-wise normalization
        for multi-device acoustic scene classification, arXiv:2206.12513, and Schmid et al. (2022),
        Knowledge distillation from transformers for low-complexity acoustic scene classification,
        DCASE workshop, section 3, for mixing the statistics.
    """

    fraction: float
    alpha: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window, and the weight of its own statistics; 1 in the other batches."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        partners = torch.from_numpy(rng.permutation(shape.num_windows))
        if rng.random() >= self.fraction:
            ratios = np.ones(shape.num_windows)
        return {"partners": partners, **tensors(ratios=ratios)}

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Replaces each window's own statistics by the mixed ones."""
        log_mel, partners = batch.log_mel, drawn["partners"]
        ratios = drawn["ratios"][:, None, None, None]
        std, mean = torch.std_mean(log_mel, dim=3, correction=0, keepdim=True)
        std = std + 1e-3
        mixed_mean = torch.lerp(mean[partners], mean, ratios)
        mixed_std = torch.lerp(std[partners], std, ratios)
        return batch._replace(log_mel=(log_mel - mean) / std * mixed_std + mixed_mean)
