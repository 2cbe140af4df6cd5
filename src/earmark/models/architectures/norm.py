"""Normalisation of the input, inside the network, so that it travels with the weights."""

import torch
from torch import Tensor, nn

from earmark.system.shapes import Float


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
        """Sets the statistics of the training data, in decibels; a constant band is only shifted.

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


class SubSpectralNorm(nn.Module):
    """Batch normalisation of each channel in several sub-bands, each with its own statistics.

    Args:
        channels: Channels of the input.
        bands: Bands of the input.
        max_groups: Number of sub-bands of equal width. When it does not divide the bands, the next
            smaller number that does is used; 1 is plain batch normalisation.

    Source:
        Chang et al. (2021), SubSpectral normalization for neural audio data processing, ICASSP,
        arXiv:2103.13620. Reducing the number of sub-bands is ours.

    Example:
        >>> [SubSpectralNorm(8, bands).num_groups for bands in (20, 16, 23)]
        [5, 4, 1]
    """

    def __init__(self, channels: int, bands: int, *, max_groups: int = 5) -> None:
        super().__init__()
        self.num_groups = max(n for n in range(1, max_groups + 1) if bands % n == 0)
        self.norm = nn.BatchNorm2d(channels * self.num_groups)

    def forward(
        self, images: Float[Tensor, "batch channels bands frames"]
    ) -> Float[Tensor, "batch channels bands frames"]:
        """Values with zero mean and unit deviation in each sub-band, scaled and shifted."""
        batch, channels, bands, frames = images.shape
        groups = self.num_groups
        grouped = images.reshape(batch, channels * groups, bands // groups, frames)
        # The layout of the neighbouring convolutions: mixing two layouts takes a third longer.
        normalised = self.norm(grouped).reshape(images.shape)
        return normalised.contiguous(memory_format=torch.channels_last)
