"""BC-ResNet: residual blocks that process the mean over the bands and broadcast it back."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from earmark.config import ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.norm import BandNorm, SubSpectralNorm
from earmark.models.architectures.registry import AudioModel, InputShape, register_model
from earmark.system.shapes import Float

STEM_CHANNELS = 16
STAGES = ((8, 2, 1), (12, 2, 2), (16, 4, 2), (20, 4, 1))
"""Channels at width 1, number of blocks, and step over the bands, of each stage."""
LAST_CHANNELS = 32
LAST_BANDS = 5
"""Bands of the last kernel, which are not padded."""
BLOCK_DROPOUT = 0.1


class BroadcastBlock(nn.Module):
    """A residual block: over the bands, then over the frames on the mean of all bands.

    The first part is a depthwise convolution over three bands and `SubSpectralNorm`. The second is
    a depthwise, dilated convolution over three frames, normalisation, swish, a pointwise
    convolution and dropout of whole channels; what it gives for the mean is added to every band of
    the first part, and so is the input. A block that changes the number of channels, a transition
    block, begins with a pointwise convolution instead and does not add its input.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bands: Bands of the input.
        band_stride: Step over the bands.
        dilation: Frames from one point of the kernel over frames to the next.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bands: int,
        *,
        band_stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.adds_input = in_channels == out_channels
        self.pointwise = nn.Sequential()
        if not self.adds_input:
            self.pointwise = _normalised(nn.Conv2d(in_channels, out_channels, 1, bias=False))
        self.over_bands = nn.Sequential(
            _depthwise(out_channels, (3, 1), stride=(band_stride, 1), padding=(1, 0)),
            SubSpectralNorm(out_channels, _strided(bands, band_stride)),
        )
        self.over_frames = nn.Sequential(
            _depthwise(out_channels, (1, 3), padding=(0, dilation), dilation=(1, dilation)),
            nn.BatchNorm2d(out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.Dropout2d(BLOCK_DROPOUT),
        )
        self.relu = nn.ReLU()

    def forward(
        self, images: Float[Tensor, "batch in_channels bands frames"]
    ) -> Float[Tensor, "batch out_channels _ frames"]:
        """The block's output; half of the bands where the step over them is 2."""
        each_band = self.over_bands(self.pointwise(images))
        total = each_band + self.over_frames(adaptive_avg_pool2d(each_band, (1, images.shape[3])))
        return self.relu(total + images if self.adds_input else total)


class BCResNet(AudioModel):
    """Log-mel windows of any length to logits, with few parameters and multiply-adds.

    Stem, twelve blocks in four stages that reach ever farther over the frames, a convolution that
    combines five bands, the mean over what is left, a linear classifier. The paper's network has 40
    bands and no dropout before the classifier; other numbers of bands change what is left for the
    mean and, where 5 does not divide them, the sub-bands of `SubSpectralNorm`.

    Args:
        shape: Size of the windows; any number of frames is taken later.
        num_outputs: Logits a window; 1 for a binary task.
        width: Channels as a multiple of those of BC-ResNet-1; the paper's tau.
        dropout: Probability that a value is dropped before the classifier.

    Raises:
        ConfigError: There are too few bands.

    Source:
        Kim et al. (2021), Broadcasted residual learning for efficient keyword spotting,
        Interspeech, arXiv:2106.04140, and the layers of the authors' own implementation,
        github.com/Qualcomm-AI-research/bcresnet.

    Example:
        >>> import torch
        >>> BCResNet(InputShape(40, 101), num_outputs=12)(torch.rand(8, 1, 40, 101)).shape
        torch.Size([8, 12])
    """

    def __init__(
        self, shape: InputShape, num_outputs: int = 1, *, width: float = 1.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.input_norm = BandNorm(shape.n_mels)
        stem, last = _scaled(STEM_CHANNELS, width), _scaled(LAST_CHANNELS, width)
        self.stem = _normalised(
            nn.Conv2d(1, stem, 5, stride=(2, 1), padding=2, bias=False),
        )
        blocks, bands = _stages(stem, _strided(shape.n_mels, 2), width)
        if bands < LAST_BANDS:
            raise ConfigError(
                f"features.n_mels: bc_resnet leaves {bands} of {shape.n_mels} bands, and its last "
                f"convolution needs {LAST_BANDS}; use 33 bands or more"
            )
        self.blocks = nn.Sequential(*blocks)
        channels = _scaled(STAGES[-1][0], width)
        self.last = nn.Sequential(
            _depthwise(channels, (LAST_BANDS, 5), padding=(0, 2)),
            *_normalised(nn.Conv2d(channels, last, 1, bias=False)),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(last, num_outputs)

    def forward_features(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch channels bands frames"]:
        """The output of the last convolution."""
        return self.last(self.blocks(self.stem(self.input_norm(log_mel))))


def _stages(channels: int, bands: int, width: float) -> tuple[Sequence[BroadcastBlock], int]:
    """The blocks in order, and the bands that leave the last one."""
    blocks = []
    for stage, (unscaled, num_blocks, band_stride) in enumerate(STAGES):
        out_channels = _scaled(unscaled, width)
        for stride in (band_stride, *[1] * (num_blocks - 1)):
            block = BroadcastBlock(
                channels, out_channels, bands, band_stride=stride, dilation=2**stage
            )
            blocks.append(block)
            channels, bands = out_channels, _strided(bands, stride)
    return blocks, bands


def _strided(bands: int, stride: int) -> int:
    return (bands - 1) // stride + 1


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _depthwise(
    channels: int,
    kernel_size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> nn.Conv2d:
    return nn.Conv2d(
        channels, channels, kernel_size, stride, padding, dilation, groups=channels, bias=False
    )


def _normalised(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())


@register_model(
    "bc_resnet", settings=("width", "dropout"), source="Kim et al. 2021, arXiv:2106.04140"
)
def _build(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    return BCResNet(shape, num_outputs, width=config.width, dropout=config.dropout)
