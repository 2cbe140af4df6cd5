"""Curves of a label over all thresholds, and of the accuracy over coverage."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from earmark.system.shapes import Bool, Float64


@dataclass(frozen=True)
class Curve:
    """Points of a curve and the area under it.

    Args:
        x: Abscissas.
        y: Ordinates.
        area: Area under the curve, as defined by the function that made it.
    """

    x: Float64[np.ndarray, " points"]
    y: Float64[np.ndarray, " points"]
    area: float


def roc_curve(
    target: Float64[np.ndarray, " clips"], score: Float64[np.ndarray, " clips"]
) -> Curve | None:
    """True positive rate over false positive rate; None unless both classes occur.

    Args:
        target: 1 for the clips that have the label.
        score: Any score that increases with the label's probability.
    """
    if not 0 < target.sum() < len(target):
        return None
    false_rate, true_rate, _ = sklearn_roc_curve(target, score)
    return Curve(false_rate, true_rate, float(roc_auc_score(target, score)))


def recall_precision_curve(
    target: Float64[np.ndarray, " clips"], score: Float64[np.ndarray, " clips"]
) -> Curve | None:
    """Precision over recall; None for a label that does not occur. The area is average precision.

    Args:
        target: 1 for the clips that have the label.
        score: Any score that increases with the label's probability.

    Source:
        Davis and Goadrich (2006), The relationship between precision-recall and ROC curves, ICML,
        for why the area is a sum of steps.
    """
    if not target.any():
        return None
    precision, recall, _ = precision_recall_curve(target, score)
    return Curve(recall, precision, float(average_precision_score(target, score)))


def coverage_curve(
    confidence: Float64[np.ndarray, " clips"], correct: Bool[np.ndarray, " clips"]
) -> Curve:
    """Accuracy over coverage, if only the most confident predictions are kept.

    Clips of equal confidence are kept together. The area is the mean accuracy over all numbers of
    kept clips, one minus the area under the risk-coverage curve.

    Args:
        confidence: Confidence of each prediction.
        correct: Which predictions are correct.

    Source:
        Geifman and El-Yaniv (2017), Selective classification for deep neural networks,
        arXiv:1705.08500.

    Example:
        >>> curve = coverage_curve(np.array([0.9, 0.6, 0.8]), np.array([True, False, True]))
        >>> curve.x.round(2).tolist(), curve.y.round(2).tolist()
        ([0.33, 0.67, 1.0], [1.0, 1.0, 0.67])
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    counts = last_of_equals + 1
    accuracy = np.cumsum(correct[order])[last_of_equals] / counts
    steps = np.diff(counts, prepend=0) / len(ordered)
    return Curve(counts / len(ordered), accuracy, float((accuracy * steps).sum()))


@dataclass(frozen=True)
class Coverage:
    """How many clips get a decision, and how accurate these decisions are.

    Args:
        num_clips: Number of clips.
        num_silent: Clips on which the model abstained because they are silent.
        num_unlike_training: Clips on which it abstained because they are unlike all of training.
        num_unsure: Clips on which it abstained because no label is probable enough.
        num_correct: Clips with a correct decision.
        curve: Accuracy over coverage.
        num_background: Clips that it decided to be background, which have no predicted label.
    """

    num_clips: int
    num_silent: int
    num_unlike_training: int
    num_unsure: int
    num_correct: int
    curve: Curve
    num_background: int = 0

    @property
    def num_abstained(self) -> int:
        """Number of clips without a decision."""
        return self.num_silent + self.num_unlike_training + self.num_unsure

    @property
    def num_decided(self) -> int:
        """Number of clips with a decision."""
        return self.num_clips - self.num_abstained

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "num_decided": self.num_decided,
            "num_silent": self.num_silent,
            "num_unlike_training": self.num_unlike_training,
            "num_unsure": self.num_unsure,
            "num_background": self.num_background,
            "coverage": self.num_decided / self.num_clips,
            "accuracy": self.num_correct / self.num_decided if self.num_decided else None,
            "risk_coverage_area": 1.0 - self.curve.area,
        }
