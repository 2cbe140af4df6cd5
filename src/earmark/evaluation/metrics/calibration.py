"""Calibration: how far probabilities are from the frequencies that they claim."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.system.shapes import Float64
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

NUM_BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Judgements of nearly the same probability.

    Args:
        low: Probabilities in the bin are above this; 0 is in the first.
        high: They reach at most this.
        confidence: Their mean; None in an empty bin.
        accuracy: Share of them that came true; None in an empty bin.
        count: How many there are.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be taken at their word.

    Args:
        loss: Mean log-loss of the task, in nats.
        brier: Brier score.
        ece: Expected calibration error: the mean over the judgements of the distance between their
            bin's confidence and accuracy.
        bins: `NUM_BINS` bins of equal width.
    """

    loss: float
    brier: float
    ece: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
        return asdict(self)


def measure_calibration(
    logits: Float64[np.ndarray, "clips outputs"],
    targets: Float64[np.ndarray, "clips labels"],
    task: Task,
) -> Calibration:
    """Log-loss, Brier score, expected calibration error and its bins.

    A judgement is a clip's second label in a binary task, its most probable label in a multi-class
    task, and in a multi-label task each label of each clip.

    Args:
        logits: Of each clip, calibrated or not.
        targets: Target rows.
        task: What the labels mean.

    Source:
        Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI,
        for the error of a binary task; Guo et al. (2017), arXiv:1706.04599, section 2, for many
        labels.
    """
    probabilities = task.probabilities(logits)
    if task is BINARY:
        confidences, outcomes = probabilities[:, 1], targets[:, 1]
    elif task is MULTI_LABEL:
        confidences, outcomes = probabilities.ravel(), targets.ravel()
    else:
        rows = np.arange(len(targets))
        top = probabilities.argmax(axis=1)
        confidences, outcomes = probabilities[rows, top], targets[rows, top]
    bins = reliability_bins(confidences, outcomes)
    return Calibration(
        loss=float(task.losses(logits, targets).sum() / len(targets)),
        brier=float(brier_scores(probabilities, targets, task).sum() / len(targets)),
        ece=_expected_error(bins),
        bins=bins,
    )


def brier_scores(
    probabilities: Float64[np.ndarray, "clips labels"],
    targets: Float64[np.ndarray, "clips labels"],
    task: Task,
) -> Float64[np.ndarray, " clips"]:
    """Brier score of each clip.

    The squared distance of the second label's probability in a binary task, the sum over all labels
    in a multi-class task, and their mean in a multi-label task.

    Source:
        Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
        Review 78; halved for two labels, as is usual.
    """
    squares = (probabilities - targets) ** 2
    if task is BINARY:
        return squares[:, 1]
    return squares.mean(axis=1) if task is MULTI_LABEL else squares.sum(axis=1)


def reliability_bins(
    confidences: Float64[np.ndarray, " judgements"], outcomes: Float64[np.ndarray, " judgements"]
) -> tuple[ReliabilityBin, ...]:
    """Judgements in bins of equal width, by their probability.

    Args:
        confidences: Probability of each judgement.
        outcomes: 1 where it came true, or else 0.
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    numbers = np.searchsorted(edges[1:-1], confidences)
    counts = np.bincount(numbers, minlength=NUM_BINS)
    sums = np.bincount(numbers, confidences, NUM_BINS), np.bincount(numbers, outcomes, NUM_BINS)
    bins = []
    for index, count in enumerate(map(int, counts)):
        confidence, accuracy = (float(one[index]) / count if count else None for one in sums)
        low, high = map(float, edges[index : index + 2])
        bins.append(ReliabilityBin(low, high, confidence, accuracy, count))
    return tuple(bins)


def _expected_error(bins: tuple[ReliabilityBin, ...]) -> float:
    total = sum(one.count for one in bins)
    distances = (
        one.count * abs(one.confidence - one.accuracy)
        for one in bins
        if one.confidence is not None and one.accuracy is not None
    )
    return sum(distances) / total
