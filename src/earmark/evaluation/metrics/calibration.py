"""Calibration: how far predicted probabilities are from observed frequencies."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.system.shapes import Float64
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

NUM_BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of nearly the same probability.

    Args:
        low: Lower edge, exclusive except for 0.
        high: Upper edge, inclusive.
        confidence: Their mean probability; None in an empty bin.
        accuracy: Fraction of them that are correct; None in an empty bin.
        count: Number of predictions.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class Calibration:
    """How well probabilities are calibrated.

    Args:
        loss: Mean cross-entropy of the task, in nats.
        brier: Brier score.
        ece: Expected calibration error: the mean over predictions of the distance between the
            confidence and the accuracy of their bin.
        bins: `NUM_BINS` bins of equal width.
    """

    loss: float
    brier: float
    ece: float
    bins: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return asdict(self)


def measure_calibration(
    logits: Float64[np.ndarray, "clips outputs"],
    targets: Float64[np.ndarray, "clips labels"],
    task: Task,
) -> Calibration:
    """Cross-entropy, Brier score, expected calibration error and its bins.

    The probability that counts is that of the second label in a binary task, that of the most
    probable label in a multi-class task, and that of each label in a multi-label task.

    Args:
        logits: Of each clip, calibrated or not.
        targets: 1 for the labels of each clip.
        task: What the labels mean.

    Source:
        Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI,
        for the error of a binary task; Guo et al. (2017), arXiv:1706.04599, section 2, for many
        labels.
    """
    probabilities = task.probabilities(logits)
    if task is BINARY:
        confidences, correct = probabilities[:, 1], targets[:, 1]
    elif task is MULTI_LABEL:
        confidences, correct = probabilities.ravel(), targets.ravel()
    else:
        rows = np.arange(len(targets))
        top = probabilities.argmax(axis=1)
        confidences, correct = probabilities[rows, top], targets[rows, top]
    bins = reliability_bins(confidences, correct)
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

    The squared error of the second label's probability in a binary task, the sum over all labels in
    a multi-class task, and their mean in a multi-label task.

    Args:
        probabilities: Of each label.
        targets: 1 for the labels of each clip.
        task: What the labels mean.

    Source:
        Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
        Review 78; halved for two labels, as is usual.

    Example:
        >>> brier_scores(np.array([[0.1, 0.9]]), np.array([[0.0, 1.0]]), BINARY).round(3)
        array([0.01])
    """
    squares = (probabilities - targets) ** 2
    if task is BINARY:
        return squares[:, 1]
    return squares.mean(axis=1) if task is MULTI_LABEL else squares.sum(axis=1)


def reliability_bins(
    confidences: Float64[np.ndarray, " predictions"], correct: Float64[np.ndarray, " predictions"]
) -> tuple[ReliabilityBin, ...]:
    """Predictions in bins of equal width, by their probability.

    Args:
        confidences: Probability of each prediction.
        correct: 1 for correct predictions, 0 for others.
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    numbers = np.searchsorted(edges[1:-1], confidences)
    counts = np.bincount(numbers, minlength=NUM_BINS)
    sums = np.bincount(numbers, confidences, NUM_BINS), np.bincount(numbers, correct, NUM_BINS)
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
