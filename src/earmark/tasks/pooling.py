"""From the logits of windows to those of their clip."""

from typing import Literal

import numpy as np

from earmark.system.shapes import Float, Float64, Int
from earmark.tasks.task import BINARY, Task

Pooling = Literal["mean", "max", "attention"]


def clip_logits(
    window_logits: Float[np.ndarray, "windows outputs"],
    window_clips: Int[np.ndarray, " windows"],
    *,
    task: Task = BINARY,
    pooling: Pooling = "mean",
) -> Float64[np.ndarray, "clips outputs"]:
    """Logits of each clip, from those of its windows.

    The mean is summed in float64 and divided once. ``max`` takes, for each output, the most
    confident window. ``attention`` is a mean weighted by the softmax of the confidence over the
    windows.

    Args:
        window_logits: A row a window.
        window_clips: Number of each window's clip, rising.
        task: What the labels mean; it defines the confidence of a window.
        pooling: How windows are weighted.

    Source:
        Wang, Li and Metze (2019), A comparison of five multiple instance learning pooling functions
        for sound event detection with weak labeling, arXiv:1810.09050, table 1: max, average and
        exponential softmax pooling, here of logits.
    """
    window_logits = window_logits.astype(np.float64)
    firsts = np.searchsorted(window_clips, np.arange(window_clips[-1] + 1))
    if pooling == "mean":
        weights = np.ones_like(window_logits)
    else:
        confidence = task.confidence(window_logits)
        confidence = confidence - np.maximum.reduceat(confidence, firsts)[window_clips]
        weights = (confidence == 0).astype(float) if pooling == "max" else np.exp(confidence)
    sums = np.add.reduceat(weights * window_logits, firsts)
    return sums / np.add.reduceat(weights, firsts)


def pool_novelty(
    scores: Float[np.ndarray, " windows *columns"], window_clips: Int[np.ndarray, " windows"]
) -> Float64[np.ndarray, " clips *columns"]:
    """Scores of novelty of each clip: the mean of those of its windows.

    Args:
        scores: A row a window.
        window_clips: Number of each window's clip, rising.
    """
    firsts = np.searchsorted(window_clips, np.arange(window_clips[-1] + 1))
    sums = np.add.reduceat(scores.astype(np.float64), firsts, axis=0)
    counts = np.diff(firsts, append=len(window_clips)).astype(np.float64)
    return sums / counts.reshape(-1, *[1] * (scores.ndim - 1))
