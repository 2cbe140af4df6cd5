"""Honest figures: sums divided once over clips, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64
from scipy.special import expit, ndtri
from sklearn.metrics import confusion_matrix, roc_auc_score

from earmark.data import Clip


@dataclass(frozen=True)
class Predictions:
    """The logits of each clip, in the order of the manifest.

    Args:
        clips: The clips.
        logits: A row a clip.
    """

    clips: tuple[Clip, ...]
    logits: Float64[np.ndarray, "clips outputs"]

    @property
    def targets(self) -> Int64[np.ndarray, " clips"]:
        """Index of each clip's label."""
        return np.array([clip.target for clip in self.clips], np.int64)

    @property
    def probabilities(self) -> Float64[np.ndarray, "clips classes"]:
        """Probability of each label."""
        return probabilities(self.logits)


@dataclass(frozen=True)
class Scores:
    """Figures over clips.

    Args:
        num_clips: How many clips were judged.
        num_correct: How many of them rightly.
        loss: Mean binary cross-entropy (log-loss), in nats.
        num_groups: How many groups they come from; clips of one group are not independent.
        accuracy_interval: Wilson interval of the accuracy, over `effective_size` clips.
        roc_auc: Area under the ROC curve; None when only one label is present.
        per_class: Label to precision, recall, F1 and number of clips; a ratio without a
            denominator is None.
        confusion: A row a label, a column a predicted label.
        labels: The vocabulary.
    """

    num_clips: int
    num_correct: int
    num_groups: int
    loss: float
    accuracy_interval: tuple[float, float]
    roc_auc: float | None
    per_class: dict[str, dict[str, float | int | None]]
    confusion: list[list[int]]
    labels: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of the clips that were judged rightly."""
        return self.num_correct / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {
            "num_clips": self.num_clips,
            "num_correct": self.num_correct,
            "num_groups": self.num_groups,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss,
            "roc_auc": self.roc_auc,
            "per_class": self.per_class,
            "confusion_matrix": self.confusion,
            "labels": list(self.labels),
        }


def probabilities(logits: Float[np.ndarray, "rows outputs"]) -> Float64[np.ndarray, "rows classes"]:
    """Probability of each label; the one logit of a binary network speaks for the second."""
    second = expit(logits[:, 0].astype(np.float64))
    return np.stack([1.0 - second, second], axis=1)


def mean_loss(
    logits: Float64[np.ndarray, "clips outputs"], targets: Int64[np.ndarray, " clips"]
) -> float:
    """Mean binary cross-entropy over clips, in nats."""
    signed = np.where(targets == 1, -logits[:, 0], logits[:, 0])
    return float(np.logaddexp(0.0, signed).sum() / len(targets))


def effective_size(correct: Bool[np.ndarray, " clips"], groups: Sequence[str]) -> float:
    """How many independent clips would make the accuracy as certain as these clips do.

    Clips of one speaker or one piece tend to be right or wrong together. The variance of the
    accuracy is estimated between groups; where all clips are right, or all wrong, it cannot be, and
    each group counts as one clip.

    Args:
        correct: Which clips were judged rightly.
        groups: The group of each clip.

    Source:
        Korn and Graubard (1998), Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data, Survey Methodology 24, section 2.

    Example:
        >>> effective_size(np.array([True, True, False, False]), ["a", "a", "b", "b"])
        1.0
    """
    names, numbers = np.unique(groups, return_inverse=True)
    num_clips, num_groups = len(correct), len(names)
    share = correct.mean()
    if num_groups == num_clips:
        return float(num_clips)
    if num_groups == 1 or share in (0.0, 1.0):
        return float(num_groups)
    deviations = np.bincount(numbers, weights=correct - share)
    variance = num_groups / (num_groups - 1) * (deviations**2).sum() / num_clips**2
    if variance == 0:
        return float(num_clips)
    return float(np.clip(share * (1 - share) / variance, 1.0, num_clips))


def wilson_interval(share: float, num_trials: float, confidence: float) -> tuple[float, float]:
    """Interval of a proportion.

    Args:
        share: Share of successes.
        num_trials: Number of independent trials; it need not be whole.
        confidence: Level, such as 0.95.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference,
        JASA 22, equation 8; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Example:
        >>> [round(float(bound), 3) for bound in wilson_interval(15 / 16, 16.0, 0.95)]
        [0.717, 0.989]
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = share + z * z / (2 * num_trials)
    half = z * np.sqrt(share * (1 - share) / num_trials + z * z / (4 * num_trials**2))
    scale = 1 + z * z / num_trials
    low = 0.0 if share == 0 else float((centre - half) / scale)
    high = 1.0 if share == 1 else float((centre + half) / scale)
    return low, high


def score(
    predictions: Predictions,
    labels: Sequence[str],
    *,
    threshold: float = 0.5,
    confidence: float = 0.95,
) -> Scores:
    """Figures of a set of predictions.

    Args:
        predictions: At least one clip.
        labels: The vocabulary.
        threshold: Probability from which the second label is chosen.
        confidence: Level of the interval.
    """
    targets = predictions.targets
    chosen = decide(predictions.probabilities, threshold)
    hits = chosen == targets
    correct = int(hits.sum())
    groups = [clip.group or clip.name for clip in predictions.clips]
    size = effective_size(hits, groups)
    present = len(np.unique(targets)) > 1
    confusion = confusion_matrix(targets, chosen, labels=range(len(labels)))
    return Scores(
        num_clips=len(targets),
        num_correct=correct,
        loss=mean_loss(predictions.logits, targets),
        num_groups=len(set(groups)),
        accuracy_interval=wilson_interval(correct / len(targets), size, confidence),
        roc_auc=float(roc_auc_score(targets, predictions.logits[:, 0])) if present else None,
        per_class={label: _class_scores(confusion, index) for index, label in enumerate(labels)},
        confusion=confusion.tolist(),
        labels=tuple(labels),
    )


def _class_scores(confusion: Int[np.ndarray, "k k"], index: int) -> dict[str, float | int | None]:
    hits = int(confusion[index, index])
    chosen, present = int(confusion[:, index].sum()), int(confusion[index].sum())
    return {
        "precision": hits / chosen if chosen else None,
        "recall": hits / present if present else None,
        "f1": 2 * hits / (chosen + present) if chosen + present else None,
        "num_clips": present,
    }


def decide(
    probabilities: Float64[np.ndarray, "rows classes"], threshold: float
) -> Int64[np.ndarray, " rows"]:
    """Index of the chosen label: the second when its probability reaches the threshold."""
    return (probabilities[:, 1] >= threshold).astype(np.int64)
