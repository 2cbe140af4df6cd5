"""The network of a recipe: its blocks for windows of a size, and what they cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.config import ConvBlockConfig

CHANNELS = (24, 48, 64, 96)
"""Output channels of the blocks at width 1."""
MIN_CHANNELS = 4
MANY_BANDS = 80
"""From so many bands on, the first block halves them twice."""
WIDE = 1.5
"""Width of a network that is larger than any that the rules choose."""
WIDTHS = tuple(number / 20 for number in range(20, 1, -1))


@dataclass(frozen=True)
class Windows:
    """The input of the network, and its outputs.

    Args:
        n_mels: Bands of a window.
        num_frames: Frames of a window.
        num_outputs: Logits of a window.
    """

    n_mels: int
    num_frames: int
    num_outputs: int


def choose_blocks(windows: Windows, max_parameters: int | None) -> list[ConvBlockConfig]:
    """The widest blocks that the windows and the budget allow.

    Each block is a 3 x 3 convolution; pooling halves bands and frames as long as there are some.

    Args:
        windows: What the network gets and returns.
        max_parameters: Most parameters of the whole network; None for no limit. Where not even the
            narrowest network is as small, that one is chosen.

    Example:
        >>> [one.channels for one in choose_blocks(Windows(128, 251, 10), None)]
        [24, 48, 64, 96]
        >>> [one.channels for one in choose_blocks(Windows(128, 251, 10), 15_000)]
        [8, 17, 22, 34]
    """
    blocks: list[ConvBlockConfig] = []
    for width in WIDTHS:
        blocks = _blocks(windows, width)
        if max_parameters is None or num_parameters(blocks, windows) <= max_parameters:
            break
    return blocks


def wider_blocks(windows: Windows) -> list[ConvBlockConfig]:
    """Blocks of one and a half times the width of those that have no limit.

    Args:
        windows: What the network gets and returns.

    Example:
        >>> [one.channels for one in wider_blocks(Windows(128, 251, 10))]
        [36, 72, 96, 144]
    """
    return _blocks(windows, WIDE)


def deeper_blocks(windows: Windows) -> list[ConvBlockConfig]:
    """Six blocks instead of four, two of which do not pool, and longer kernels in time.

    Args:
        windows: What the network gets and returns.

    Example:
        >>> blocks = deeper_blocks(Windows(128, 251, 10))
        >>> [one.channels for one in blocks], blocks[0].kernel_size, blocks[1].pool_size
        ([24, 36, 48, 64, 64, 96], (3, 7), (1, 1))
    """
    first, second, third, fourth = _blocks(windows, 1.0)
    between = (first.channels + second.channels) // 2
    unpooled = {"pool_size": (1, 1), "kernel_size": (3, 3), "padding": (1, 1)}
    return [
        first.model_copy(update={"kernel_size": (3, 7), "padding": (1, 3)}),
        first.model_copy(update={**unpooled, "channels": between}),
        second.model_copy(update={"kernel_size": (3, 5), "padding": (1, 2)}),
        third,
        third.model_copy(update=unpooled),
        fourth,
    ]


def _blocks(windows: Windows, width: float) -> list[ConvBlockConfig]:
    size = (windows.n_mels, windows.num_frames)
    blocks = []
    for number, channels in enumerate(CHANNELS):
        bands = 4 if number == 0 and windows.n_mels >= MANY_BANDS else 2
        pool = (min(bands, size[0]), min(2, size[1]))
        channels = max(MIN_CHANNELS, math.floor(channels * width + 0.5))
        block = ConvBlockConfig(
            channels=channels, kernel_size=(3, 3), padding=(1, 1), pool_size=pool
        )
        blocks.append(block)
        size = block.output_size(size)
    return blocks


def num_parameters(blocks: Sequence[ConvBlockConfig], windows: Windows) -> int:
    """Parameters of `audio_cnn` with these blocks and a head that pools over frames.

    Args:
        blocks: Its blocks.
        windows: What it gets and returns.

    Example:
        >>> num_parameters(choose_blocks(Windows(128, 251, 10), None), Windows(128, 251, 10))
        98074
    """
    total, in_channels, size = 0, 1, (windows.n_mels, windows.num_frames)
    for block in blocks:
        # The bias of the convolution, and two weights of the normalisation.
        total += block.channels * (in_channels * math.prod(block.kernel_size) + 3)
        in_channels, size = block.channels, block.output_size(size)
    return total + (in_channels * size[0] + 1) * windows.num_outputs


def num_multiply_adds(blocks: Sequence[ConvBlockConfig], windows: Windows) -> int:
    """Multiply-adds of the convolutions for one window.

    Args:
        blocks: Blocks whose convolutions keep the size.
        windows: What the network gets.

    Example:
        >>> windows = Windows(128, 251, 10)
        >>> round(num_multiply_adds(choose_blocks(windows, None), windows) / 1e6)
        90
    """
    total, in_channels, size = 0, 1, (windows.n_mels, windows.num_frames)
    for block in blocks:
        total += math.prod(size) * in_channels * block.channels * math.prod(block.kernel_size)
        in_channels, size = block.channels, block.output_size(size)
    return total
