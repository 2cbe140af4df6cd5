"""Honest figures: sums divided once over clips, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Int64
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
        accuracy_interval: Wilson interval of the accuracy.
        roc_auc: Area under the ROC curve; None when only one label is present.
        per_class: Label to precision, recall, F1 and number of clips; a ratio without a
            denominator is None.
        confusion: A row a label, a column a predicted label.
        labels: The vocabulary.
    """

    num_clips: int
    num_correct: int
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


def wilson_interval(num_correct: int, num_clips: int, confidence: float) -> tuple[float, float]:
    """Interval of a proportion.

    Args:
        num_correct: Successes.
        num_clips: Trials.
        confidence: Level, such as 0.95.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference,
        JASA 22, equation 8; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Example:
        >>> [round(float(bound), 3) for bound in wilson_interval(15, 16, 0.95)]
        [0.717, 0.989]
    """
    z = float(ndtri(0.5 + confidence / 2))
    share = num_correct / num_clips
    centre = share + z * z / (2 * num_clips)
    half = z * np.sqrt(share * (1 - share) / num_clips + z * z / (4 * num_clips**2))
    scale = 1 + z * z / num_clips
    low = 0.0 if num_correct == 0 else float((centre - half) / scale)
    high = 1.0 if num_correct == num_clips else float((centre + half) / scale)
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
    correct = int((chosen == targets).sum())
    present = len(np.unique(targets)) > 1
    confusion = confusion_matrix(targets, chosen, labels=range(len(labels)))
    return Scores(
        num_clips=len(targets),
        num_correct=correct,
        loss=mean_loss(predictions.logits, targets),
        accuracy_interval=wilson_interval(correct, len(targets), confidence),
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
