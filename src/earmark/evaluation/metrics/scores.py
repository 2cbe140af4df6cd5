"""Honest figures: sums divided once over clips, with intervals."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
"""A share; None where there is nothing to divide by."""


@dataclass(frozen=True)
class Predictions:
    """The logits of each clip, in the order of the manifest.

    Args:
        clips: The clips.
        logits: A row a clip.
        task: What the labels mean.
    """

    clips: tuple[Clip, ...]
    logits: Float64[np.ndarray, "clips outputs"]
    task: Task = BINARY

    @property
    def targets(self) -> Float64[np.ndarray, "clips labels"]:
        """A row a clip, 1 for the labels that it has."""
        num_labels = 2 if self.task is BINARY else self.logits.shape[1]
        return multi_hot([clip.targets for clip in self.clips], num_labels)

    @property
    def probabilities(self) -> Float64[np.ndarray, "clips labels"]:
        """Probability of each label."""
        return self.task.probabilities(self.logits)

    def choose(self, thresholds: Sequence[float] | None = None) -> Bool[np.ndarray, "clips labels"]:
        """Which labels are chosen; by the task's own thresholds when none are given."""
        probabilities = self.probabilities
        if thresholds is None:
            thresholds = self.task.default_thresholds(probabilities.shape[1])
        return self.task.choose(probabilities, thresholds)


@dataclass(frozen=True)
class RankScores:
    """What only a multi-label task has: figures of the ranking of labels and of clips.

    Args:
        mean_average_precision: Mean over the labels that occur of their average precision.
        lwlrap: Label-weighted label-ranking average precision: for each label of each clip, the
            share of the clip's labels among those ranked at least as high.
        micro_f1: F1 over all pairs of clip and label.

    Source:
        Fonseca et al. (2019), Audio tagging with noisy labels and minimal supervision,
        arXiv:1906.02975, section 3.3, for lwlrap.
    """

    mean_average_precision: Ratio
    lwlrap: Ratio
    micro_f1: Ratio

    def to_dict(self) -> dict[str, Ratio]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {
            "map": self.mean_average_precision,
            "lwlrap": self.lwlrap,
            "micro_f1": self.micro_f1,
        }


@dataclass(frozen=True)
class Scores:
    """Figures over clips.

    Args:
        task: What the labels mean.
        labels: The vocabulary.
        num_clips: How many clips were judged.
        num_correct: How many of them rightly, with all their labels and no others.
        loss: Mean cross-entropy of the task (log-loss), in nats.
        num_groups: How many groups they come from; clips of one group are not independent.
        accuracy_interval: Wilson interval of the accuracy, over `effective_size` clips.
        roc_auc: Area under the ROC curve, the mean over labels when there are more than two; None
            when a label does not occur, or nothing else does.
        macro_f1: Mean of the labels' F1, over those that have one.
        per_class: Label to precision, recall, F1 and number of clips; a ratio without a
            denominator is None. A multi-label task has the average precision as well.
        confusion: A row a label, a column a predicted label, without clips that were given none; in
            a multi-label task one matrix of absence and presence for each label.
        ranks: Figures of a multi-label task.
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
        """Share of the clips that were judged rightly."""
        return self.num_correct / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
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


@dataclass(frozen=True, kw_only=True)
class PartScores:
    """Figures over some of the clips of a test.

    Args:
        num_clips: How many there are.
        num_groups: Groups that they come from.
        num_correct: How many were judged rightly.
        accuracy_interval: Wilson interval of the accuracy, as in `Scores`.
        loss: Mean cross-entropy of the task, in nats.
    """

    num_clips: int
    num_groups: int
    num_correct: int
    accuracy_interval: tuple[float, float]
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of the clips that were judged rightly."""
        return self.num_correct / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
        interval = list(self.accuracy_interval)
        return {**asdict(self), "accuracy": self.accuracy, "accuracy_interval": interval}


def score_part(
    hits: Bool[np.ndarray, " clips"],
    losses: Float64[np.ndarray, " clips"],
    groups: Sequence[str],
    *,
    confidence: float,
    size: float | None = None,
) -> PartScores:
    """Figures of at least one clip.

    Args:
        hits: Which clips were judged rightly.
        losses: Cross-entropy of each.
        groups: Group of each.
        confidence: Level of the interval.
        size: How many independent clips they stand for; `effective_size` when it is not given.
    """
    size = effective_size(hits, groups) if size is None else size
    return PartScores(
        num_clips=len(hits),
        num_groups=len(set(groups)),
        num_correct=int(hits.sum()),
        accuracy_interval=wilson_interval(float(hits.mean()), size, confidence),
        loss=float(losses.sum() / len(hits)),
    )


def score(
    predictions: Predictions,
    labels: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> Scores:
    """Figures of a set of predictions.

    Args:
        predictions: At least one clip.
        labels: The vocabulary.
        thresholds: Probabilities from which labels are chosen; the task's own by default.
        confidence: Level of the interval.
    """
    return score_chosen(predictions, predictions.choose(thresholds), labels, confidence=confidence)


def score_chosen(
    predictions: Predictions,
    chosen: Bool[np.ndarray, "clips labels"],
    labels: Sequence[str],
    *,
    confidence: float = 0.95,
) -> Scores:
    """Figures as of `score`, where ``chosen`` says which labels of each clip were chosen."""
    task, targets = predictions.task, predictions.targets
    hits = (chosen == targets).all(axis=1)
    correct = int(hits.sum())
    groups = [clip.group_or_name for clip in predictions.clips]
    size = effective_size(hits, groups)
    counts = multilabel_confusion_matrix(targets, chosen)
    per_class = {label: _ratios(counts[index]) for index, label in enumerate(labels)}
    if task is MULTI_LABEL:
        for label, target, share in zip(
            labels, targets.T, predictions.probabilities.T, strict=True
        ):
            per_class[label]["average_precision"] = _average_precision(target, share)
        confusion = counts
    else:
        # Rows have one label each; of clips without a decision nothing is counted.
        confusion = targets.T.astype(int) @ chosen.astype(int)
    return Scores(
        task=task.name,
        labels=tuple(labels),
        num_clips=len(targets),
        num_correct=correct,
        num_groups=len(set(groups)),
        loss=float(task.losses(predictions.logits, targets).sum() / len(targets)),
        accuracy_interval=wilson_interval(correct / len(targets), size, confidence),
        roc_auc=_roc_auc(predictions),
        macro_f1=_mean([one["f1"] for one in per_class.values()]),
        per_class=per_class,
        confusion=confusion.tolist(),
        ranks=_rank_scores(predictions, per_class, counts) if task is MULTI_LABEL else None,
    )


def choose_thresholds(predictions: Predictions) -> tuple[float, ...]:
    """Thresholds that give each label of a multi-label task its best F1; others keep their own.

    A threshold lies half-way between the lowest probability that it takes and the highest that it
    leaves. A label that every clip has, or none, keeps 0.5.

    Args:
        predictions: Of validation data, never of test data.
    """
    targets, probabilities = predictions.targets, predictions.probabilities
    own = predictions.task.default_thresholds(targets.shape[1])
    if predictions.task is not MULTI_LABEL:
        return own
    columns = zip(targets.T, probabilities.T, own, strict=True)
    return tuple(_best_threshold(target, share, default) for target, share, default in columns)


def _best_threshold(
    target: Float64[np.ndarray, " clips"], share: Float64[np.ndarray, " clips"], default: float
) -> float:
    if len(np.unique(target)) < 2:
        return default
    precision, recall, candidates = precision_recall_curve(target, share)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1.0)
    lowest_taken = candidates[f1[:-1].argmax()]
    highest_left = share[share < lowest_taken].max(initial=0.0)
    return float((lowest_taken + highest_left) / 2)


def _ratios(counts: Int[np.ndarray, "2 2"]) -> dict[str, float | int | None]:
    """Figures of one label from its counts: a row absent and present, a column left and chosen."""
    (_, wrong), (missed, hits) = counts.tolist()
    return {
        "precision": hits / (hits + wrong) if hits + wrong else None,
        "recall": hits / (hits + missed) if hits + missed else None,
        "f1": 2 * hits / (2 * hits + wrong + missed) if hits + wrong + missed else None,
        "num_clips": hits + missed,
    }


def _roc_auc(predictions: Predictions) -> Ratio:
    targets = predictions.targets
    if not all(0 < count < len(targets) for count in targets.sum(axis=0)):
        return None
    if predictions.task is BINARY:
        return float(roc_auc_score(targets[:, 1], predictions.logits[:, 0]))
    return float(roc_auc_score(targets, predictions.probabilities, average="macro"))


def _average_precision(
    target: Float64[np.ndarray, " clips"], share: Float64[np.ndarray, " clips"]
) -> Ratio:
    return float(average_precision_score(target, share)) if target.any() else None


def _rank_scores(
    predictions: Predictions,
    per_class: dict[str, dict[str, float | int | None]],
    counts: Int[np.ndarray, "labels 2 2"],
) -> RankScores:
    targets = predictions.targets
    has_label = targets.any(axis=1)
    lwlrap = None
    if has_label.any():
        # Weighted by the number of labels, which makes the mean over clips one over labels.
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
