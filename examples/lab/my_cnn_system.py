"""A convolutional network of two blocks and a linear layer, in plain PyTorch."""

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earmark.config.model import conv_output_size
from earmark.models.architectures.summary import count_parameters


@dataclass(frozen=True)
class BlockParameters:
    """The parameters of the layers of a block; a pair is (mel bands, frames)."""

    channels: int
    kernel_size: tuple[int, int] = (5, 5)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (2, 2)
    dilation: tuple[int, int] = (1, 1)
    norm_momentum: float = 0.1
    pool_size: tuple[int, int] = (2, 4)
    pool_stride: tuple[int, int] = (2, 4)
    dropout: float = 0.25

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Mel bands and frames that leave the block when ``size`` enters it."""
        # ReLU, batch normalisation and dropout keep the size; the other two layers change it.
        mels, frames = (
            conv_output_size(
                conv_output_size(
                    size[axis],
                    self.kernel_size[axis],
                    stride=self.stride[axis],
                    padding=self.padding[axis],
                    dilation=self.dilation[axis],
                ),
                self.pool_size[axis],
                stride=self.pool_stride[axis],
            )
            for axis in (0, 1)
        )
        return mels, frames


def make_block(in_channels: int, block: BlockParameters) -> nn.Sequential:
    """Convolution, ReLU, batch normalisation, max pooling and dropout."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            block.channels,
            block.kernel_size,
            stride=block.stride,
            padding=block.padding,
            dilation=block.dilation,
        ),
        nn.ReLU(),
        nn.BatchNorm2d(block.channels, momentum=block.norm_momentum),
        nn.MaxPool2d(block.pool_size, block.pool_stride),
        nn.Dropout(block.dropout),
    )


class MyCNNSystem(nn.Module):
    """Two blocks, and a linear layer that gives one logit: above zero means the second label.

    Args:
        block_1: The parameters of the first block.
        block_2: The parameters of the second block.
        input_size: Mel bands and frames of a window.
        num_outputs: Logits a window; one is enough for two labels.

    Raises:
        ValueError: The windows are too small for the blocks.
    """

    def __init__(
        self,
        block_1: BlockParameters,
        block_2: BlockParameters,
        input_size: tuple[int, int],
        num_outputs: int = 1,
    ) -> None:
        super().__init__()
        size = block_2.output_size(block_1.output_size(input_size))
        if min(size) < 1:
            raise ValueError(f"windows of {input_size} are too small for these blocks")
        self.block_1 = make_block(1, block_1)
        self.block_2 = make_block(block_1.channels, block_2)
        self.linear = nn.Linear(block_2.channels * size[0] * size[1], num_outputs)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Logits, (batch, num_outputs), of windows, (batch, 1, mels, frames)."""
        features = self.block_2(self.block_1(log_mel))
        return self.linear(features.flatten(start_dim=1))


def main() -> None:
    """Sends random windows through the network and prints the size after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-mels", type=int, default=40)
    parser.add_argument("--num-frames", type=int, default=251)
    args = parser.parse_args()
    block_1, block_2 = BlockParameters(channels=16), BlockParameters(channels=32)
    try:
        model = MyCNNSystem(block_1, block_2, (args.n_mels, args.num_frames))
    except ValueError as error:
        parser.error(str(error))
    x = torch.rand(8, 1, args.n_mels, args.num_frames)
    print(f"input   {tuple(x.shape)}")
    for name, part in model.named_children():
        x = part(x.flatten(start_dim=1) if isinstance(part, nn.Linear) else x)
        print(f"{name:7s} {tuple(x.shape)}")
    print(f"inputs of the linear layer: {model.linear.in_features}")
    print(f"parameters: {count_parameters(model)}")


if __name__ == "__main__":
    main()
