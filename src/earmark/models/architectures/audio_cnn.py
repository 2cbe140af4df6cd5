"""The classic: blocks of convolution, ReLU, batch normalisation and pooling; a linear layer."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from earmark.config import ConvBlockConfig, Head, ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.convolution import Conv2d
from earmark.models.architectures.norm import BandNorm
from earmark.models.architectures.registry import AudioModel, InputShape, register_model
from earmark.system.shapes import Float


class ConvBlock(nn.Sequential):
    """Convolution, ReLU, batch normalisation, max pooling, dropout: in that order.

    Dropout comes last. Before the normalisation it would change the variance of its input between
    training and evaluation, so that the running variance would be wrong in evaluation (Li et al.
    2019, Understanding the disharmony between dropout and batch normalization by variance shift,
    CVPR, arXiv:1801.05134, section 3). Between two blocks it still does so to the next block's
    normalisation; that is why it is 0 by default, and the network has dropout before its classifier
    instead.

    Args:
        in_channels: Channels of the input.
        config: The parameters of every layer.
    """

    def __init__(self, in_channels: int, config: ConvBlockConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = Conv2d(
            in_channels,
            config.channels,
            config.kernel_size,
            stride=config.stride,
            padding=config.padding,
            dilation=config.dilation,
        )
        self.relu = nn.ReLU()
        self.norm = nn.BatchNorm2d(config.channels)
        self.pool = nn.MaxPool2d(config.pool_size, config.pool_stride)
        self.dropout = nn.Dropout(config.dropout)


class AudioCNN(AudioModel):
    """Log-mel windows to logits by convolution blocks and a linear classifier.

    Args:
        blocks: The parameters of each block's layers, in order.
        shape: Size of the windows. The ``flatten`` head takes this number of frames only, the
            others any number that its blocks leave at least one of.
        num_outputs: Logits a window; 1 for a binary task.
        head: ``pool`` averages each channel and band over the frames; ``mean_max`` adds their
            maximum to the average; ``flatten`` gives every value to the classifier.
        dropout: Probability that a value is dropped before the classifier.

    Raises:
        ConfigError: The blocks leave nothing of the window.

    Source:
        Kong et al. (2020), PANNs: large-scale pretrained audio neural networks for audio pattern
        recognition, IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, section
        III.A, for the sum of mean and maximum.

    Example:
        >>> import torch
        >>> model = AudioCNN([ConvBlockConfig(), ConvBlockConfig()], InputShape(40, 101))
        >>> model(torch.rand(8, 1, 40, 101)).shape
        torch.Size([8, 1])
    """

    def __init__(
        self,
        blocks: Sequence[ConvBlockConfig],
        shape: InputShape,
        num_outputs: int = 1,
        *,
        head: Head = "pool",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_norm = BandNorm(shape.n_mels)
        in_channels = (1, *(block.channels for block in blocks))
        self.blocks = nn.Sequential(*map(ConvBlock, in_channels, blocks))
        bands, frames = _size_after(self.blocks, shape)
        self.head = head
        self.dropout = nn.Dropout(dropout)
        features = in_channels[-1] * bands * (frames if head == "flatten" else 1)
        self.classifier = nn.Linear(features, num_outputs)

    def forward_features(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch channels bands steps"]:
        """The output of the last block."""
        return self.blocks(self.input_norm(log_mel))

    def forward_pooling(
        self, features: Float[Tensor, "batch channels bands steps"]
    ) -> Float[Tensor, "batch values"]:
        """Features without their frames, which ``head`` reduces; bands stay apart.

        Args:
            features: From `forward_features`.
        """
        if self.head != "flatten":
            # The mean over frames; unlike mean(), its gradients keep channels last.
            pooled = adaptive_avg_pool2d(features, (features.shape[2], 1))
            if self.head == "mean_max":
                pooled = pooled + features.amax(dim=3, keepdim=True)
            features = pooled
        return features.flatten(start_dim=1)


def _size_after(blocks: nn.Sequential, shape: InputShape) -> tuple[int, int]:
    size = (shape.n_mels, shape.num_frames)
    for number, block in enumerate(blocks):
        assert isinstance(block, ConvBlock)
        size = block.config.output_size(size)
        if 0 in size:
            raise ConfigError(
                f"model.blocks.{number}: nothing is left of a window of {shape.n_mels} bands and "
                f"{shape.num_frames} frames; use fewer blocks, smaller pools or longer windows"
            )
    return size


@register_model(
    "audio_cnn", settings=("blocks", "head", "dropout"), source="the textbook CNN, no paper"
)
def _build(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    return AudioCNN(config.blocks, shape, num_outputs, head=config.head, dropout=config.dropout)
