"""The section `model`: the network, and the sizes that its blocks give."""

from typing import Annotated, Literal

from pydantic import Field

from earmark.config.base import FractionBelowOne, PaddingPair, Pair, Section

Head = Literal["pool", "mean_max", "flatten"]


def conv_output_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Length of one axis after a convolution or a pooling layer.

    ``floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1)``

    Source:
        Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning,
        arXiv:1603.07285, relationships 6 and 15.

    Example:
        >>> conv_output_size(40, 5, padding=2)
        40
        >>> conv_output_size(40, 2, stride=2)
        20
    """
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


class ConvBlockConfig(Section):
    """A block of the network: convolution, ReLU, batch normalisation, max pooling, dropout.

    A pair is (bands, frames); one number sets both.
    """

    channels: Annotated[int, Field(ge=1, le=4096)] = 16
    """Number of output channels of the convolution."""
    kernel_size: Pair = (5, 5)
    """Size of the convolution kernel."""
    stride: Pair = (1, 1)
    """Stride of the convolution."""
    padding: PaddingPair = (2, 2)
    """Zero padding on each side."""
    dilation: Pair = (1, 1)
    """Dilation of the kernel."""
    pool_size: Pair = (2, 4)
    """Size of the pooling window; 1 disables pooling."""
    pool_stride: Pair | None = None
    """Stride of the pooling window; its size if not given."""
    dropout: FractionBelowOne = 0.0
    """Dropout probability after pooling."""

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Bands and frames of the output of the block; 0 where nothing is left.

        Args:
            size: Bands and frames of the input.

        Example:
            >>> ConvBlockConfig().output_size((40, 51))
            (20, 12)
        """
        pool_stride = self.pool_stride or self.pool_size
        convolved = (
            conv_output_size(
                size[axis],
                self.kernel_size[axis],
                stride=self.stride[axis],
                padding=self.padding[axis],
                dilation=self.dilation[axis],
            )
            for axis in (0, 1)
        )
        bands, frames = (
            max(0, conv_output_size(length, self.pool_size[axis], stride=pool_stride[axis]))
            if length > 0
            else 0
            for axis, length in enumerate(convolved)
        )
        return bands, frames


class ModelConfig(Section):
    """The network."""

    name: str = "audio_cnn"
    """Architecture; `earmark model list` lists them."""
    blocks: Annotated[tuple[ConvBlockConfig, ...], Field(min_length=1, max_length=64)] = (
        ConvBlockConfig(channels=16, kernel_size=(5, 5), padding=(2, 2), pool_size=(2, 4)),
        ConvBlockConfig(channels=20, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 2)),
        ConvBlockConfig(channels=24, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 2)),
        ConvBlockConfig(channels=28, kernel_size=(3, 3), padding=(1, 1), pool_size=(2, 1)),
    )
    """Convolution blocks of `audio_cnn`, in order."""
    head: Head = "pool"
    """Head of `audio_cnn`: `pool` averages over frames and takes windows of any length; `mean_max`
    adds the maximum to the average, for sounds that are short compared with the window; `flatten`
    is the textbook head and takes windows of one length only."""
    dropout: FractionBelowOne = 0.25
    """Dropout probability before the classifier."""
    width: Annotated[float, Field(gt=0, le=32)] = 1.0
    """Width multiplier of the channels of `bc_resnet` and `cp_resnet`."""
    rho: Annotated[int, Field(ge=0, le=22)] = 5
    """Number of 3 x 3 convolutions of `cp_resnet` after its first block, which sets its receptive
    field; the others are 1 x 1."""
