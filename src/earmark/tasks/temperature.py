"""Temperature scaling: one number that calibrates the probabilities of a network."""

import numpy as np
from scipy.optimize import root_scalar

from earmark.system.shapes import Float64
from earmark.tasks.task import MULTI_LABEL, Task

HIGHEST_TEMPERATURE = 1000.0
PRIOR_CLIPS = 1.0
"""Weight, in clips, of the prior that the logits are calibrated already."""


def fit_temperature(
    logits: Float64[np.ndarray, "clips outputs"],
    targets: Float64[np.ndarray, "clips labels"],
    task: Task,
) -> float:
    """The temperature that logits are divided by so that their log-loss is lowest; 1 or more.

    It never sharpens probabilities: validation has already selected the epoch, so its clips look
    easier than new ones, and if all are correct nothing but the bound would stop it. A prior on
    ``b = 1 / temperature`` adds ``b - log b`` to the sum of the losses. That is least at 1, so the
    log-loss of these clips never grows; the sum is convex and has one minimum.

    Args:
        logits: Of validation clips, never of test clips.
        targets: Their target rows.
        task: What the labels mean.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2.
    """
    if calibration_slope(1.0, logits, targets, task) <= 0:
        return 1.0
    if calibration_slope(HIGHEST_TEMPERATURE, logits, targets, task) >= 0:
        return HIGHEST_TEMPERATURE

    def slope(inverse: float) -> float:
        return calibration_slope(1.0 / inverse, logits, targets, task)

    found = root_scalar(slope, bracket=(1.0 / HIGHEST_TEMPERATURE, 1.0), xtol=1e-12)
    return 1.0 / found.root


def calibration_slope(
    temperature: float,
    logits: Float64[np.ndarray, "clips outputs"],
    targets: Float64[np.ndarray, "clips labels"],
    task: Task,
) -> float:
    """Derivative, with respect to the inverse temperature, of what `fit_temperature` minimises."""
    num_outputs = logits.shape[1]
    probabilities = task.probabilities(logits / temperature)
    # A binary task has one logit, that of the second label.
    slopes = logits * (probabilities - targets)[:, -num_outputs:]
    mean_over = num_outputs if task is MULTI_LABEL else 1
    return float(slopes.sum() / mean_over + PRIOR_CLIPS * (1.0 - temperature))
