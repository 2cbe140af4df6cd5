"""Bands or frames of a window that are masked."""

from dataclasses import dataclass

import numpy as np
import torch

from earmark.data.dataset import Batch
from earmark.training.augment.base import Augmentation, BatchShape, Drawn, tensors


@dataclass(frozen=True)
class Mask(Augmentation):
    """Runs of bands or frames set to the mean of their window.

    Args:
        axis: 2 for bands, 3 for frames.
        number: Number of masks.
        max_fraction: Largest width of a mask, as a fraction of the axis.

    Source:
        Park et al. (2019), SpecAugment: a simple data augmentation method for automatic speech
        recognition, arXiv:1904.08779, section 2.
    """

    axis: int
    number: int
    max_fraction: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Start and end of each mask, as fractions of the axis."""
        size = (shape.num_windows, self.number)
        widths = rng.uniform(0, self.max_fraction, size)
        starts = rng.uniform(0, 1, size) * (1 - widths)
        return tensors(starts=starts, ends=starts + widths)

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Sets what lies between to the mean."""
        log_mel = batch.log_mel
        length = log_mel.shape[self.axis]
        places = torch.arange(length, device=log_mel.device)
        starts = (drawn["starts"] * length).round()[:, :, None]
        ends = (drawn["ends"] * length).round()[:, :, None]
        masked = ((places >= starts) & (places < ends)).any(dim=1)[:, None]
        masked = masked[..., None] if self.axis == 2 else masked[:, :, None]
        means = log_mel.mean(dim=(2, 3), keepdim=True)
        return batch._replace(log_mel=torch.where(masked, means, log_mel))
