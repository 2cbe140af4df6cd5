"""CP-ResNet: a residual network with a limited receptive field."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from torch import Tensor, nn

from earmark.config import ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.norm import BandNorm
from earmark.models.architectures.registry import AudioModel, InputShape, register_model
from earmark.system.shapes import Float

CHANNELS = 32
"""Of the first stage, at width 1; each next stage has twice as many."""
NUM_BLOCKS = (4, 3, 1)
POOLED = (0, 1, 3)
"""Blocks of the first stage that are followed by a pooling of 2 by 2."""


class ResidualBlock(nn.Module):
    """Two convolutions with normalisation, and the input added before the last ReLU.

    Where the number of channels changes, the input goes through a pointwise convolution and
    normalisation first.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_sizes: Bands and frames of the first and of the second kernel; odd.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_sizes: tuple[int, int]) -> None:
        super().__init__()
        first, second = kernel_sizes
        self.residual = nn.Sequential(
            *_normalised(in_channels, out_channels, first),
            nn.ReLU(),
            *_normalised(out_channels, out_channels, second),
        )
        self.shortcut = nn.Sequential()
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(*_normalised(in_channels, out_channels, 1))
        self.relu = nn.ReLU()

    def forward(
        self, images: Float[Tensor, "batch in_channels bands frames"]
    ) -> Float[Tensor, "batch out_channels bands frames"]:
        """The block's output; of the size of its input."""
        return self.relu(self.residual(images) + self.shortcut(images))


class CPResNet(AudioModel):
    """Log-mel windows of any length to logits, with a limited receptive field.

    Deep networks overfit audio when the receptive field covers most of the window. Here the
    convolutions after the first block are numbered from 1; those up to ``rho`` have kernels of 3 by
    3 and the others of 1 by 1. Depth and receptive field are thus independent.

    Args:
        shape: Size of the windows; any number of frames is taken later.
        num_outputs: Logits a window; 1 for a binary task.
        rho: Number of convolutions after the first block that have kernels of 3 by 3.
        channels: Channels of the first stage; the second has twice, the third four times as many.
        num_blocks: Blocks of each stage. The paper's network has 128 channels and (4, 4, 4) blocks.
        dropout: Probability that a value is dropped before the classifier.

    Raises:
        ConfigError: There are fewer convolutions than ``rho``.

    Source:
        Koutini et al. (2019), The receptive field as a regularizer in deep convolutional neural
        networks for acoustic scene classification, EUSIPCO, arXiv:1907.01803. Layers, and the
        narrower and shallower version that is the default here at 1.5 times the width, by the
        authors' own implementation of 2020, github.com/kkoutini/cpjku_dcase20. Ours: pools keep the
        last odd band or frame, and the mean over bands and frames comes before the classifier.

    Example:
        >>> import torch
        >>> model = CPResNet(InputShape(40, 101), num_outputs=10)
        >>> model(torch.rand(8, 1, 40, 101)).shape, model.receptive_field
        (torch.Size([8, 10]), 87)
    """

    def __init__(
        self,
        shape: InputShape,
        num_outputs: int = 1,
        *,
        rho: int = 5,
        channels: int = CHANNELS,
        num_blocks: Sequence[int] = NUM_BLOCKS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if rho > (most := 2 * (sum(num_blocks) - 1)):
            raise ConfigError(
                f"model.rho = {rho}: cp_resnet has {most} convolutions after its first block; use "
                f"at most {most}"
            )
        self.input_norm = BandNorm(shape.n_mels)
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*_blocks(channels, num_blocks, rho))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels * 2 ** (len(num_blocks) - 1), num_outputs)

    @property
    def receptive_field(self) -> int:
        """Bands and frames of the input that one output of the last block depends on.

        Source:
            Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural
            networks, Distill, equation 2.
        """
        size, step = 1, 1
        for layer in (*self.stem.modules(), *self.blocks.modules()):
            if isinstance(layer, nn.Conv2d):
                # A shortcut has a kernel of 1 by 1 and adds nothing.
                size, step = size + (layer.kernel_size[0] - 1) * step, step * layer.stride[0]
            elif isinstance(layer, nn.MaxPool2d):
                size, step = size + step, 2 * step
        return size

    def forward_features(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch channels bands steps"]:
        """The output of the last block."""
        return self.blocks(self.stem(self.input_norm(log_mel)))


def _blocks(channels: int, num_blocks: Sequence[int], rho: int) -> Iterator[nn.Module]:
    kernels = chain((3, 1), repeat(3, rho), repeat(1))
    in_channels = channels
    for stage, length in enumerate(num_blocks):
        out_channels = channels * 2**stage
        for block in range(length):
            yield ResidualBlock(in_channels, out_channels, (next(kernels), next(kernels)))
            if stage == 0 and block in POOLED:
                # Rounded up: no frame of a window is dropped, and one frame is enough.
                yield nn.MaxPool2d(2, ceil_mode=True)
            in_channels = out_channels


def _normalised(in_channels: int, out_channels: int, kernel_size: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return conv, nn.BatchNorm2d(out_channels)


@register_model(
    "cp_resnet",
    settings=("width", "rho", "dropout"),
    source="Koutini et al. 2019, arXiv:1907.01803",
)
def _build(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    channels = max(1, round(CHANNELS * config.width))
    return CPResNet(shape, num_outputs, rho=config.rho, channels=channels, dropout=config.dropout)
