"""Every augmentation that the settings turn on, drawn and then applied to a batch."""

from collections.abc import Sequence

import numpy as np

from earmark.config import AugmentConfig
from earmark.training.augment.base import Augmentation, BatchShape, Drawn, Windows
from earmark.training.augment.level import Filter, Gain, Noise
from earmark.training.augment.masks import Mask
from earmark.training.augment.mixing import Mix, Style
from earmark.training.augment.pitch import Warp
from earmark.training.augment.time import Roll, Shorten, Stretch


class Augment:
    """Every augmentation that the settings turn on, in order.

    Args:
        config: Which ones.
        window_frames: Length of the windows that the network gets.
        union: Windows that sound at once keep all labels of both: the multi-label task.

    Example:
        >>> import torch
        >>> augment = Augment(AugmentConfig(gain_db=6.0), 101)
        >>> windows = Windows(torch.zeros(2, 1, 40, 101), torch.eye(2))
        >>> augment(windows, np.random.default_rng(0)).log_mel.shape
        torch.Size([2, 1, 40, 101])
    """

    def __init__(self, config: AugmentConfig, window_frames: int, *, union: bool = False) -> None:
        by_energy = config.mixup_domain == "energy"
        every = (
            (config.time_stretch, Stretch(config.time_stretch, window_frames)),
            (config.shortest < 1, Shorten(config.shortest)),
            (config.roll, Roll(config.roll)),
            (config.frequency_warp, Warp(config.frequency_warp)),
            (config.gain_db, Gain(config.gain_db)),
            (config.filter_db, Filter(config.filter_db)),
            (config.noise, Noise(config.noise, config.noise_snr_db)),
            (config.mixup, Mix(config.mixup, config.mixup_alpha, by_energy, union and by_energy)),
            (config.freq_mixstyle, Style(config.freq_mixstyle, config.freq_mixstyle_alpha)),
            (
                config.frequency_masks,
                Mask(2, config.frequency_masks, config.frequency_mask_fraction),
            ),
            (config.time_masks, Mask(3, config.time_masks, config.time_mask_fraction)),
        )
        self.augmentations: Sequence[Augmentation] = [one for strength, one in every if strength]

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> list[Drawn]:
        """What every augmentation will do to a batch."""
        return [one.draw(rng, shape) for one in self.augmentations]

    def apply(self, windows: Windows, drawn: Sequence[Drawn]) -> Windows:
        """Does what was drawn."""
        device = windows.log_mel.device
        for one, choices in zip(self.augmentations, drawn, strict=True):
            here = {name: tensor.to(device) for name, tensor in choices.items()}
            windows = one.apply(windows, here)
        return windows

    def __call__(self, windows: Windows, rng: np.random.Generator) -> Windows:
        """Draws and applies."""
        num_windows, _, n_mels, num_frames = windows.log_mel.shape
        return self.apply(windows, self.draw(rng, BatchShape(num_windows, n_mels, num_frames)))
