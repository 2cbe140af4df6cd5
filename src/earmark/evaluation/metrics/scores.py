"""Metrics over clips: sums divided once, with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    multilabel_confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
)

from earmark.data.content import Clip
from earmark.evaluation.metrics.intervals import effective_size, wilson_interval
from earmark.system.shapes import Bool, Float64, Int
from earmark.tasks.task import BINARY, MULTI_LABEL, Task, multi_hot

Ratio = float | None
"""A ratio; None where the denominator is zero."""


@dataclass(frozen=True)
class Predictions:
    """The logits of each clip, in the order of the manifest.

    Args:
        clips: The clips.
        logits: One row per clip.
        task: What the labels mean.
        novelty: How unlike the sound of training each clip is; None where the model has no score.
        novelty_without: The same without the classes of training that have a label, for each label.
    """

    clips: tuple[Clip, ...]
    logits: Float64[np.ndarray, "clips outputs"]
    task: Task = BINARY
    novelty: Float64[np.ndarray, " clips"] | None = None
    novelty_without: Float64[np.ndarray, "clips labels"] | None = None

    def rows(self, indices: Sequence[int]) -> "Predictions":
        """The predictions of some of the clips."""
        kept = list(indices)
        return Predictions(
            tuple(self.clips[index] for index in kept),
            self.logits[kept],
            self.task,
            None if self.novelty is None else self.novelty[kept],
            None if self.novelty_without is None else self.novelty_without[kept],
        )

    @property
    def targets(self) -> Float64[np.ndarray, "clips labels"]:
        """One row per clip, 1 for the labels that it has."""
        num_labels = 2 if self.task is BINARY else self.logits.shape[1]
        return multi_hot([clip.targets for clip in self.clips], num_labels)

    @property
    def probabilities(self) -> Float64[np.ndarray, "clips labels"]:
        """Probability of each label."""
        return self.task.probabilities(self.logits)

    def choose(self, thresholds: Sequence[float] | None = None) -> Bool[np.ndarray, "clips labels"]:
        """Which labels are predicted.

        Args:
            thresholds: Probabilities from which labels are predicted; the task's defaults if None.
        """
        probabilities = self.probabilities
        if thresholds is None:
            thresholds = self.task.default_thresholds(probabilities.shape[1])
        return self.task.choose(probabilities, thresholds)


@dataclass(frozen=True)
class RankScores:
    """Ranking metrics, which only a multi-label task has.

    Args:
        mean_average_precision: Mean over the labels that occur of their average precision.
        lwlrap: Label-weighted label-ranking average precision: for each label of each clip, the
            fraction of the clip's labels among those ranked at least as high.
        micro_f1: F1 over all pairs of clip and label.

    Source:
        Fonseca et al. (2019), Audio tagging with noisy labels and minimal supervision,
        arXiv:1906.02975, section 3.3, for lwlrap.
    """

    mean_average_precision: Ratio
    lwlrap: Ratio
    micro_f1: Ratio

    def to_dict(self) -> dict[str, Ratio]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "map": self.mean_average_precision,
            "lwlrap": self.lwlrap,
            "micro_f1": self.micro_f1,
        }


@dataclass(frozen=True)
class Scores:
    """Metrics over clips.

    Args:
        task: Name of the task.
        labels: The vocabulary.
        num_clips: Number of clips.
        num_correct: Number of correct predictions: all labels of the clip and no others.
        num_groups: Number of groups; clips of one group are not independent.
        loss: Mean cross-entropy of the task (log-loss), in nats.
        accuracy_interval: Wilson interval of the accuracy, over `effective_size` clips.
        roc_auc: Area under the ROC curve, the mean over labels if there are more than two; None if
            a label occurs in no clip or in all.
        macro_f1: Mean F1 over the labels that have one.
        per_class: Label to precision, recall, F1 and number of clips; a ratio whose denominator is
            zero is None. A multi-label task has the average precision too.
        confusion: One row per label, one column per predicted label, without abstained clips; in a
            multi-label task one matrix of absence and presence per label.
        ranks: Ranking metrics of a multi-label task.
    """

    task: str
    labels: tuple[str, ...]
    num_clips: int
    num_correct: int
    num_groups: int
    loss: float
    accuracy_interval: tuple[float, float]
    roc_auc: Ratio
    macro_f1: Ratio
    per_class: dict[str, dict[str, float | int | None]]
    confusion: list[Any]
    ranks: RankScores | None = None

    @property
    def accuracy(self) -> float:
        """Fraction of the clips that are predicted correctly."""
        return self.num_correct / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "task": self.task,
            "num_clips": self.num_clips,
            "num_correct": self.num_correct,
            "num_groups": self.num_groups,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss,
            "roc_auc": self.roc_auc,
            "macro_f1": self.macro_f1,
            **(self.ranks.to_dict() if self.ranks else {}),
            "per_class": self.per_class,
            "confusion_matrix": self.confusion,
            "labels": list(self.labels),
        }


def score(
    predictions: Predictions,
    labels: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> Scores:
    """Metrics of a set of predictions.

    Args:
        predictions: At least one clip.
        labels: The vocabulary.
        thresholds: Probabilities from which labels are predicted; the task's defaults if None.
        confidence: Level of the interval, such as 0.95.

    Example:
        >>> from earmark.features.store import ClipKey
        >>> clips = Clip("a.wav", ClipKey("a"), (0,)), Clip("b.wav", ClipKey("b"), (1,))
        >>> score(Predictions(clips, np.array([[-1.0], [2.0]])), ("music", "speech")).accuracy
        1.0
    """
    return score_chosen(predictions, predictions.choose(thresholds), labels, confidence=confidence)


def score_chosen(
    predictions: Predictions,
    chosen: Bool[np.ndarray, "clips labels"],
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Scores:
    """Metrics as of `score`, of labels that are already chosen.

    Args:
        predictions: At least one clip.
        chosen: Which labels of each clip are predicted.
        labels: The vocabulary.
        confidence: Level of the interval, such as 0.95.
    """
    task, targets = predictions.task, predictions.targets
    correct = (chosen == targets).all(axis=1)
    num_correct = int(correct.sum())
    groups = [clip.group_or_name for clip in predictions.clips]
    size = effective_size(correct, groups)
    counts = multilabel_confusion_matrix(targets, chosen)
    per_class = {label: _ratios(counts[index]) for index, label in enumerate(labels)}
    if task is MULTI_LABEL:
        columns = zip(labels, targets.T, predictions.probabilities.T, strict=True)
        for label, target, probabilities in columns:
            per_class[label]["average_precision"] = _average_precision(target, probabilities)
        confusion = counts
    else:
        # Rows have one label each; an abstained clip is in no column.
        confusion = targets.T.astype(int) @ chosen.astype(int)
    return Scores(
        task=task.name,
        labels=tuple(labels),
        num_clips=len(targets),
        num_correct=num_correct,
        num_groups=len(set(groups)),
        loss=float(task.losses(predictions.logits, targets).sum() / len(targets)),
        accuracy_interval=wilson_interval(num_correct / len(targets), size, confidence),
        roc_auc=_roc_auc(predictions),
        macro_f1=_mean([one["f1"] for one in per_class.values()]),
        per_class=per_class,
        confusion=confusion.tolist(),
        ranks=_rank_scores(predictions, per_class, counts) if task is MULTI_LABEL else None,
    )


def choose_thresholds(predictions: Predictions) -> tuple[float, ...]:
    """Thresholds that maximise the F1 of each label of a multi-label task.

    A threshold lies half-way between the lowest probability above it and the highest below it. A
    label that every clip has, or none, keeps 0.5; other tasks keep their default thresholds.

    Args:
        predictions: Of validation data, never of test data.
    """
    targets, probabilities = predictions.targets, predictions.probabilities
    defaults = predictions.task.default_thresholds(targets.shape[1])
    if predictions.task is not MULTI_LABEL:
        return defaults
    return tuple(map(_best_threshold, targets.T, probabilities.T, defaults))


def _best_threshold(
    target: Float64[np.ndarray, " clips"],
    probabilities: Float64[np.ndarray, " clips"],
    default: float,
) -> float:
    if len(np.unique(target)) < 2:
        return default
    precision, recall, candidates = precision_recall_curve(target, probabilities)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1.0)
    lowest_above = candidates[f1[:-1].argmax()]
    highest_below = probabilities[probabilities < lowest_above].max(initial=0.0)
    return float((lowest_above + highest_below) / 2)


def _ratios(counts: Int[np.ndarray, "2 2"]) -> dict[str, float | int | None]:
    """Metrics of one label from its confusion matrix: rows are actual, columns predicted."""
    (_, false_positives), (false_negatives, hits) = counts.tolist()
    return {
        "precision": _divide(hits, hits + false_positives),
        "recall": _divide(hits, hits + false_negatives),
        "f1": _divide(2 * hits, 2 * hits + false_positives + false_negatives),
        "num_clips": hits + false_negatives,
    }


def _divide(numerator: int, denominator: int) -> Ratio:
    return numerator / denominator if denominator else None


def _roc_auc(predictions: Predictions) -> Ratio:
    targets = predictions.targets
    if not all(0 < count < len(targets) for count in targets.sum(axis=0)):
        return None
    if predictions.task is BINARY:
        return float(roc_auc_score(targets[:, 1], predictions.logits[:, 0]))
    return float(roc_auc_score(targets, predictions.probabilities, average="macro"))


def _average_precision(
    target: Float64[np.ndarray, " clips"], probabilities: Float64[np.ndarray, " clips"]
) -> Ratio:
    return float(average_precision_score(target, probabilities)) if target.any() else None


def _rank_scores(
    predictions: Predictions,
    per_class: dict[str, dict[str, float | int | None]],
    counts: Int[np.ndarray, "labels 2 2"],
) -> RankScores:
    targets = predictions.targets
    has_label = targets.any(axis=1)
    lwlrap = None
    if has_label.any():
        # Weights by the number of labels turn the mean over clips into one over labels.
        lwlrap = label_ranking_average_precision_score(
            targets[has_label],
            predictions.probabilities[has_label],
            sample_weight=targets[has_label].sum(axis=1),
        )
    return RankScores(
        mean_average_precision=_mean([one["average_precision"] for one in per_class.values()]),
        lwlrap=None if lwlrap is None else float(lwlrap),
        micro_f1=_ratios(counts.sum(axis=0))["f1"],
    )


def _mean(values: Sequence[Ratio]) -> Ratio:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
