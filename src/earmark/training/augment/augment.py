"""All augmentations that the settings enable, drawn and then applied to a batch."""

from collections.abc import Sequence

import numpy as np

from earmark.config import AugmentConfig
from earmark.data.dataset import Batch
from earmark.training.augment.base import Augmentation, BatchShape, Drawn
from earmark.training.augment.frequency_warp import FrequencyWarp
from earmark.training.augment.level import Filter, Gain, Noise
from earmark.training.augment.masks import Mask
from earmark.training.augment.mixing import FreqMixStyle, Mixup
from earmark.training.augment.time import Roll, Shorten, TimeStretch


class Augment:
    """All augmentations that the settings enable, in order.

    Args:
        config: Their settings.
        window_frames: Frames of the windows that the network gets.
        union: Whether windows mixed by energy keep all labels of both, as in a multi-label task.

    Example:
        >>> import torch
        >>> augment = Augment(AugmentConfig(gain_db=6.0), 101)
        >>> batch = Batch(torch.zeros(2, 1, 40, 101), torch.eye(2), torch.arange(2))
        >>> augment(batch, np.random.default_rng(0)).log_mel.shape
        torch.Size([2, 1, 40, 101])
    """

    def __init__(self, config: AugmentConfig, window_frames: int, *, union: bool = False) -> None:
        by_energy = config.mixup_domain == "energy"
        every = (
            (config.time_stretch, TimeStretch(config.time_stretch, window_frames)),
            (config.shortest < 1, Shorten(config.shortest)),
            (config.roll, Roll(config.roll)),
            (config.frequency_warp, FrequencyWarp(config.frequency_warp)),
            (config.gain_db, Gain(config.gain_db)),
            (config.filter_db, Filter(config.filter_db)),
            (config.noise, Noise(config.noise, config.noise_snr_db)),
            (config.mixup, Mixup(config.mixup, config.mixup_alpha, by_energy, union and by_energy)),
            (config.freq_mixstyle, FreqMixStyle(config.freq_mixstyle, config.freq_mixstyle_alpha)),
            (
                config.frequency_masks,
                Mask(2, config.frequency_masks, config.frequency_mask_fraction),
            ),
            (config.time_masks, Mask(3, config.time_masks, config.time_mask_fraction)),
        )
        self.augmentations: Sequence[Augmentation] = [one for strength, one in every if strength]

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> list[Drawn]:
        """Draws the parameters of every augmentation for a batch."""
        return [one.draw(rng, shape) for one in self.augmentations]

    def apply(self, batch: Batch, drawn: Sequence[Drawn]) -> Batch:
        """Applies the augmentations with the parameters that were drawn."""
        device = batch.log_mel.device
        for one, choices in zip(self.augmentations, drawn, strict=True):
            here = {name: tensor.to(device) for name, tensor in choices.items()}
            batch = one.apply(batch, here)
        return batch

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Draws and applies all augmentations."""
        num_windows, _, n_mels, num_frames = batch.log_mel.shape
        return self.apply(batch, self.draw(rng, BatchShape(num_windows, n_mels, num_frames)))
