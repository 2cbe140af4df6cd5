"""Vocal tract length perturbation."""

from dataclasses import dataclass

import numpy as np
import torch

from earmark.data.dataset import Batch
from earmark.training.augment.base import Augmentation, BatchShape, Drawn, tensors


@dataclass(frozen=True)
class FrequencyWarp(Augmentation):
    """Bands moved up or down the mel scale, as of a shorter or longer vocal tract.

    Positions on the mel scale are multiplied by one factor, so the lowest band stays. Above the
    highest band, that band is repeated.

    Args:
        amount: The largest factor is ``1 + amount``, the smallest ``1 / (1 + amount)``.

    Source:
        Jaitly and Hinton (2013), Vocal tract length perturbation (VTLP) improves speech
        recognition, section 2; there the frequencies are multiplied.
    """

    amount: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Factor of each window, uniform on a logarithmic scale."""
        widest = np.log1p(self.amount)
        return tensors(factors=np.exp(rng.uniform(-widest, widest, shape.num_windows)))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Interpolates linearly between bands."""
        log_mel = batch.log_mel
        n_mels = log_mel.shape[2]
        bands = torch.arange(n_mels, device=log_mel.device)
        places = (bands / drawn["factors"][:, None]).clamp(max=n_mels - 1)
        below = places.floor().long().clamp(max=max(n_mels - 2, 0))
        above = (below + 1).clamp(max=n_mels - 1)
        weight = (places - below)[:, None, :, None]
        size = (-1, -1, -1, log_mel.shape[3])
        lower = log_mel.gather(2, below[:, None, :, None].expand(size))
        upper = log_mel.gather(2, above[:, None, :, None].expand(size))
        return batch._replace(log_mel=torch.lerp(lower, upper, weight))
