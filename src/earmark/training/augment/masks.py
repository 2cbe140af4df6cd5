"""Parts of a window that are hidden."""

from dataclasses import dataclass

import numpy as np
import torch

from earmark.training.augment.base import Augmentation, BatchShape, Drawn, Windows, tensors


@dataclass(frozen=True)
class Mask(Augmentation):
    """Stretches of one axis set to the mean of their window.

    Args:
        axis: 2 for bands, 3 for frames.
        number: How many stretches.
        widest: Longest stretch, as a share of the axis.

    Source:
        Park et al. (2019), SpecAugment: a simple data augmentation method for automatic speech
        recognition, arXiv:1904.08779, section 2.
    """

    axis: int
    number: int
    widest: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Start and end of each stretch, as shares of the axis."""
        size = (shape.num_windows, self.number)
        widths = rng.uniform(0, self.widest, size)
        starts = rng.uniform(0, 1, size) * (1 - widths)
        return tensors(starts=starts, ends=starts + widths)

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Blanks what lies between."""
        log_mel = windows.log_mel
        length = log_mel.shape[self.axis]
        places = torch.arange(length, device=log_mel.device)
        starts = (drawn["starts"] * length).round()[:, :, None]
        ends = (drawn["ends"] * length).round()[:, :, None]
        hidden = ((places >= starts) & (places < ends)).any(dim=1)[:, None]
        hidden = hidden[..., None] if self.axis == 2 else hidden[:, :, None]
        means = log_mel.mean(dim=(2, 3), keepdim=True)
        return windows._replace(log_mel=torch.where(hidden, means, log_mel))
