"""Normalisation of the input, inside the network, so that it travels with the weights."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class BandNorm(nn.Module):
    """Shifts and scales each mel band by the mean and deviation of the training data.

    Args:
        n_mels: Number of bands.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def fit(self, mean: Float[Tensor, " mels"], std: Float[Tensor, " mels"]) -> None:
        """Takes the statistics of the training data, in decibels; a constant band is only shifted.

        Args:
            mean: Mean of each band.
            std: Standard deviation of each band.
        """
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))

    def forward(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch 1 mels frames"]:
        """Log-mel values with zero mean and unit deviation over the training data."""
        return (log_mel - self.mean[:, None]) / self.std[:, None]
