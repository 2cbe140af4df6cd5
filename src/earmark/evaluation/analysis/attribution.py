"""Attribution: how much each log-mel value contributes to a decision."""

import torch
from torch import Tensor

from earmark.models.architectures.registry import AudioModel
from earmark.system.shapes import Float

STEPS = 20
STEPS_AT_ONCE = 4


def integrated_gradients(
    model: AudioModel,
    log_mel: Float[Tensor, "windows 1 mels frames"],
    output_weights: Float[Tensor, " outputs"],
    *,
    num_steps: int = STEPS,
) -> Float[Tensor, "windows mels frames"]:
    """Attributions of a score, a weighted sum of the logits, to the values of each window.

    The gradient of the score is averaged along the straight line from a baseline window, in which
    each band has its mean over the training data, to the window itself. With many steps the
    attributions add up to the score minus the score of the baseline.

    Args:
        model: In evaluation mode, with its ``input_norm`` fitted; it is not changed.
        log_mel: The windows, in decibels, on the device of the model.
        output_weights: Weight of each logit in the score: 1 and -1 compare two labels.
        num_steps: Points on the line.

    Source:
        Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML,
        arXiv:1703.01365, sections 3 and 5.
    """
    baseline = baseline_windows(model, log_mel)
    difference = log_mel - baseline
    total = torch.zeros_like(log_mel)
    # Midpoints of the steps: exact where the gradient changes linearly.
    points = (torch.arange(num_steps, device=log_mel.device, dtype=log_mel.dtype) + 0.5) / num_steps
    for chunk in points.split(STEPS_AT_ONCE):
        steps = chunk[:, None, None, None, None]
        inputs = (baseline + steps * difference).flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            score = (model(inputs) * output_weights).sum()
            (gradient,) = torch.autograd.grad(score, inputs)
        total += gradient.unflatten(0, (len(chunk), len(log_mel))).sum(dim=0)
    return (difference * total / num_steps)[:, 0]


def baseline_windows(
    model: AudioModel, log_mel: Float[Tensor, "windows 1 mels frames"]
) -> Float[Tensor, "windows 1 mels frames"]:
    """As many windows, in which each band constantly has its mean over the training data."""
    return model.input_norm.mean[:, None].expand_as(log_mel)


def sum_tiles(
    attributions: Float[Tensor, "mels frames"], tile_mels: int, tile_frames: int
) -> Float[Tensor, "mel_tiles frame_tiles"]:
    """Sums over tiles, large enough to see; those at the ends may be smaller.

    Args:
        attributions: Of each value.
        tile_mels: Bands of a tile.
        tile_frames: Frames of a tile.

    Example:
        >>> sum_tiles(torch.ones(3, 4), 2, 3)
        tensor([[6., 2.],
                [3., 1.]])
    """
    mels, frames = attributions.shape
    rows = torch.arange(mels, device=attributions.device) // tile_mels
    columns = torch.arange(frames, device=attributions.device) // tile_frames
    by_row = attributions.new_zeros(int(rows[-1]) + 1, frames).index_add_(0, rows, attributions)
    return attributions.new_zeros(len(by_row), int(columns[-1]) + 1).index_add_(1, columns, by_row)
