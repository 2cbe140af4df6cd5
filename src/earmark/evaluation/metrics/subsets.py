"""Metrics of a part of a test: a slice, a condition, or the excerpts of its clips."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.evaluation.metrics.intervals import effective_size, wilson_interval
from earmark.system.shapes import Bool, Float64


@dataclass(frozen=True)
class ExcerptScores:
    """Metrics over excerpts of the clips, each predicted alone and scored by its clip's labels.

    Args:
        seconds: Length of an excerpt.
        num_excerpts: Number of excerpts.
        num_correct: Number of correct predictions.
        loss: Mean cross-entropy of the task, in nats.
    """

    seconds: float
    num_excerpts: int
    num_correct: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Fraction of the excerpts that are predicted correctly."""
        return self.num_correct / self.num_excerpts

    def to_dict(self) -> dict[str, float | int]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {**asdict(self), "accuracy": self.accuracy}


@dataclass(frozen=True, kw_only=True)
class SubsetScores:
    """Metrics over some of the clips of a test.

    Args:
        num_clips: Number of clips.
        num_groups: Number of groups that they come from.
        num_correct: Number of correct predictions.
        accuracy_interval: Wilson interval of the accuracy, as in
            `earmark.evaluation.metrics.scores.Scores`.
        loss: Mean cross-entropy of the task, in nats.
    """

    num_clips: int
    num_groups: int
    num_correct: int
    accuracy_interval: tuple[float, float]
    loss: float

    @property
    def accuracy(self) -> float:
        """Fraction of the clips that are predicted correctly."""
        return self.num_correct / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        interval = list(self.accuracy_interval)
        return {**asdict(self), "accuracy": self.accuracy, "accuracy_interval": interval}


def score_subset(
    correct: Bool[np.ndarray, " clips"],
    losses: Float64[np.ndarray, " clips"],
    groups: Sequence[str],
    *,
    confidence: float,
    size: float | None = None,
) -> SubsetScores:
    """Metrics of at least one clip.

    Args:
        correct: Which clips are predicted correctly.
        losses: Cross-entropy of each clip, in nats.
        groups: Group of each clip.
        confidence: Level of the interval, such as 0.95.
        size: Number of independent clips that they are worth; `effective_size` by default.

    Example:
        >>> losses = np.array([0.1, 0.2, 1.2])
        >>> hits = np.array([True, True, False])
        >>> score_subset(hits, losses, ["a", "b", "c"], confidence=0.95).loss
        0.5
    """
    size = effective_size(correct, groups) if size is None else size
    return SubsetScores(
        num_clips=len(correct),
        num_groups=len(set(groups)),
        num_correct=int(correct.sum()),
        accuracy_interval=wilson_interval(float(correct.mean()), size, confidence),
        loss=float(losses.sum() / len(correct)),
    )
