"""How unlike the sound of training the clips of a test are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from earmark.evaluation.metrics.curves import roc_curve
from earmark.evaluation.metrics.scores import Predictions
from earmark.system.shapes import Float64


@dataclass(frozen=True)
class NoveltyScores:
    """Scores of the test clips, and how well such scores separate one label from the others.

    Args:
        scores: Of each clip.
        threshold: Above it the model abstains; infinite where it never does.
        separation: Label to the area under the ROC curve of the clips with the label against all
            others, each scored against the classes of training without the label. It takes no
            training: the network has learnt the label, so it is optimistic about an unknown sound.
            None where the test or the classes lack one side.
    """

    scores: Float64[np.ndarray, " clips"]
    threshold: float
    separation: dict[str, float | None]

    @property
    def num_above(self) -> int:
        """Number of clips above the threshold."""
        return int((self.scores > self.threshold).sum())

    @property
    def mean_separation(self) -> float | None:
        """The mean over the labels that have one."""
        found = [one for one in self.separation.values() if one is not None]
        return float(np.mean(found)) if found else None

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "num_above": self.num_above,
            "median": float(np.median(self.scores)),
            "largest": float(self.scores.max()),
            "mean_separation": self.mean_separation,
            "separation": self.separation,
        }


def score_novelty(
    predictions: Predictions, labels: Sequence[str], threshold: float
) -> NoveltyScores | None:
    """The scores of a test; None where the model has none.

    Args:
        predictions: Of the test.
        labels: The vocabulary.
        threshold: Above it the model abstains.
    """
    if predictions.novelty is None or predictions.novelty_without is None:
        return None
    separation: dict[str, float | None] = {}
    columns = zip(labels, predictions.targets.T, predictions.novelty_without.T, strict=True)
    for label, target, scores in columns:
        curve = roc_curve(target, scores) if np.isfinite(scores).all() else None
        separation[label] = curve.area if curve else None
    return NoveltyScores(predictions.novelty, threshold, separation)
