"""What in the sound decided: each place of the log-mel values and its share of the decision."""

import torch
from torch import Tensor

from earmark.models.architectures.registry import AudioModel
from earmark.system.shapes import Float

STEPS = 20
STEPS_AT_ONCE = 4


def integrated_gradients(
    model: AudioModel,
    log_mel: Float[Tensor, "windows 1 mels frames"],
    weights: Float[Tensor, " outputs"],
    *,
    num_steps: int = STEPS,
) -> Float[Tensor, "windows mels frames"]:
    """How much each value of some windows adds to a score, a weighted sum of the logits.

    The gradient of the score is averaged along the straight way from a blank window, in which each
    band has its mean over the training data, to the window itself. Each value gets its share of the
    way, so that the shares add up to the score less the score of the blank window; with a finite
    number of steps nearly so.

    Args:
        model: In evaluation mode, with its ``input_norm``; it is left as it is.
        log_mel: The windows, in decibels, on the device of the model.
        weights: What each logit counts: 1 and -1 ask why this label and not that.
        num_steps: Points on the way.

    Source:
        Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML,
        arXiv:1703.01365, sections 3 and 5.
    """
    blank = blank_windows(model, log_mel)
    way = log_mel - blank
    total = torch.zeros_like(log_mel)
    # In the middle of each step: exact where the gradient changes evenly.
    points = (torch.arange(num_steps, device=log_mel.device, dtype=log_mel.dtype) + 0.5) / num_steps
    for some in points.split(STEPS_AT_ONCE):
        along = (blank + some[:, None, None, None, None] * way).flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            score = (model(along) * weights).sum()
            (gradient,) = torch.autograd.grad(score, along)
        total += gradient.unflatten(0, (len(some), len(log_mel))).sum(dim=0)
    return (way * total / num_steps)[:, 0]


def blank_windows(
    model: AudioModel, log_mel: Float[Tensor, "windows 1 mels frames"]
) -> Float[Tensor, "windows 1 mels frames"]:
    """As many windows, in which each band has its mean over the training data all the time."""
    return model.input_norm.mean[:, None].expand_as(log_mel)


def sum_tiles(
    shares: Float[Tensor, "mels frames"], tile_mels: int, tile_frames: int
) -> Float[Tensor, "tiles_of_mels tiles_of_frames"]:
    """Sums over tiles, which single values are too fine to show; those at the ends may be smaller.

    Args:
        shares: Of each value.
        tile_mels: Bands of a tile.
        tile_frames: Frames of a tile.

    Example:
        >>> sum_tiles(torch.ones(3, 4), 2, 3)
        tensor([[6., 2.],
                [3., 1.]])
    """
    mels, frames = shares.shape
    rows = torch.arange(mels, device=shares.device) // tile_mels
    columns = torch.arange(frames, device=shares.device) // tile_frames
    by_row = shares.new_zeros(int(rows[-1]) + 1, frames).index_add_(0, rows, shares)
    return shares.new_zeros(len(by_row), int(columns[-1]) + 1).index_add_(1, columns, by_row)
