"""Other windows of the batch in a window: their sound, or their style."""

from dataclasses import dataclass

import numpy as np
import torch

from earmark.training.augment.base import (
    Augmentation,
    BatchShape,
    Drawn,
    Windows,
    add_energies,
    decibels,
    level_db,
    tensors,
)


@dataclass(frozen=True)
class Mix(Augmentation):
    """A window and another of its batch at once, and their targets alike.

    Args:
        share: Share of the windows that are mixed.
        alpha: Both parameters of the beta distribution of the ratio.
        by_energy: Mix as if both sounded at once, not the values in decibels.
        union: Keep all labels of both, which is what sounding at once means in a multi-label task.

    Source:
        Zhang et al. (2018), mixup: beyond empirical risk minimization, arXiv:1710.09412, section 2.
        Tokozume et al. (2018), Learning from between-class examples for deep sound recognition,
        arXiv:1711.10282, equation 2: amplitudes in the ratio r to 1 - r have energies in that of
        r² to (1 - r)², here over their sum.
    """

    share: float
    alpha: float
    by_energy: bool = False
    union: bool = False

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window and the window's own part, at least a half."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        ratios = np.maximum(ratios, 1 - ratios)
        ratios[rng.random(shape.num_windows) >= self.share] = 1.0
        return {
            "partners": torch.from_numpy(rng.permutation(shape.num_windows)),
            **tensors(ratios=ratios),
        }

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Mixes each window with its partner."""
        log_mel, targets = windows
        ratios, partners = drawn["ratios"], drawn["partners"]
        part, other, other_targets = (
            ratios[:, None, None, None],
            log_mel[partners],
            targets[partners],
        )
        if self.by_energy:
            other = other + level_db(log_mel) - level_db(other)
            own_energy, other_energy = part**2, (1 - part) ** 2
            total = own_energy + other_energy
            mixed = add_energies(
                log_mel + decibels(own_energy / total), other + decibels(other_energy / total)
            )
        else:
            mixed = torch.lerp(other, log_mel, part)
        if self.union:
            both = torch.maximum(targets, other_targets)
            return Windows(mixed, torch.where(ratios[:, None] < 1, both, targets))
        return Windows(mixed, torch.lerp(other_targets, targets, ratios[:, None]))


@dataclass(frozen=True)
class Style(Augmentation):
    """Freq-MixStyle: the mean and deviation of each band, mixed with those of another window.

    Args:
        share: Share of the batches in which it is done.
        alpha: Both parameters of the beta distribution of the ratio.

    Source:
        Kim et al. (2022), Domain generalization with relaxed instance frequency-wise normalization
        for multi-device acoustic scene classification, arXiv:2206.12513, and Schmid et al. (2022),
        Knowledge distillation from transformers for low-complexity acoustic scene classification,
        DCASE workshop, section 3, for mixing the statistics.
    """

    share: float
    alpha: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window and the share of its own style; all of it in the other batches."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        partners = torch.from_numpy(rng.permutation(shape.num_windows))
        if rng.random() >= self.share:
            ratios = np.ones(shape.num_windows)
        return {"partners": partners, **tensors(ratios=ratios)}

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Takes off each window's own statistics and puts the mixed ones on."""
        log_mel, partners = windows.log_mel, drawn["partners"]
        ratios = drawn["ratios"][:, None, None, None]
        std, mean = torch.std_mean(log_mel, dim=3, correction=0, keepdim=True)
        std = std + 1e-3
        mixed_mean = torch.lerp(mean[partners], mean, ratios)
        mixed_std = torch.lerp(std[partners], std, ratios)
        return windows._replace(log_mel=(log_mel - mean) / std * mixed_std + mixed_mean)
