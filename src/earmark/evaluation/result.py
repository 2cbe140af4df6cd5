"""What a test found: decisions, figures with intervals, and what they are to be compared with."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from earmark.config import EvaluateConfig
from earmark.errors import FailedFile
from earmark.evaluation.baselines import (
    PREDICTION_COLUMNS,
    BaselineComparison,
    Majority,
    PredictionTable,
    compare_stored,
)
from earmark.evaluation.metrics.calibration import Calibration, brier_scores, measure_calibration
from earmark.evaluation.metrics.curves import (
    Coverage,
    Curve,
    coverage_curve,
    recall_precision_curve,
    roc_curve,
)
from earmark.evaluation.metrics.intervals import ClusterBootstrap, Interval
from earmark.evaluation.metrics.scores import Predictions, Scores, score_chosen
from earmark.evaluation.metrics.significance import compare_paired
from earmark.evaluation.provenance import Provenance, digest_clips
from earmark.system.files import csv_lines
from earmark.system.shapes import Bool, Float64
from earmark.tasks.decision_rule import DecisionRule, Decisions
from earmark.tasks.task import BINARY, multi_hot

RATIOS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class WindowScores:
    """Figures over stretches of the clips, each judged alone by the label of its clip.

    Args:
        seconds: Length of a stretch.
        num_windows: How many were judged.
        num_correct: How many of them rightly.
        loss: Mean cross-entropy of the task, in nats.
    """

    seconds: float
    num_windows: int
    num_correct: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of the stretches that were judged rightly."""
        return self.num_correct / self.num_windows

    def to_dict(self) -> dict[str, float | int]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {**asdict(self), "accuracy": self.accuracy}


@dataclass(frozen=True)
class Evaluation:
    """A test: each clip's decision, the figures, and the recordings that could not be judged.

    Figures are computed when they are first asked for: those of the bootstrap take a while.

    Args:
        uncalibrated: The logits as the network gave them.
        labels: The vocabulary.
        rule: How they become labels.
        levels_db: Level of each clip's loudest frame.
        settings: Of the section ``evaluate``.
        skipped: Recordings that could not be judged.
        windows: Figures of stretches, where ``evaluate.excerpt_seconds`` asks for them.
        commonest: The labels that most training recordings have; None where nobody knows.
        provenance: What was measured with what.
        baseline: Stored predictions of the same clips, and this test against them.
    """

    uncalibrated: Predictions
    labels: tuple[str, ...]
    rule: DecisionRule
    levels_db: Float64[np.ndarray, " clips"] | None = None
    settings: EvaluateConfig = field(default_factory=EvaluateConfig)
    skipped: tuple[FailedFile, ...] = ()
    windows: WindowScores | None = None
    commonest: tuple[str, ...] | None = None
    provenance: Provenance | None = None
    baseline: BaselineComparison | None = None

    def with_baseline(self, table: PredictionTable) -> "Evaluation":
        """The same test, compared with predictions that are stored.

        Raises:
            DataError: They are not of these clips.
        """
        labels = {
            clip.name: frozenset(self.labels[index] for index in clip.targets)
            for clip in self.predictions.clips
        }
        return replace(self, baseline=compare_stored(table, labels, self.right, self.draws))

    def only(self, names: Container[str]) -> "Evaluation":
        """The same test of some of its clips, without figures of stretches: they are of all."""
        everything = self.uncalibrated
        kept = [index for index, one in enumerate(everything.clips) if one.name in names]
        if len(kept) == len(everything.clips):
            return self
        some = Predictions(
            tuple(everything.clips[index] for index in kept),
            everything.logits[kept],
            everything.task,
        )
        levels_db = None if self.levels_db is None else self.levels_db[kept]
        traced = self.provenance
        if traced is not None:
            traced = replace(traced, data_digest=digest_clips(some.clips))
        return replace(
            self, uncalibrated=some, levels_db=levels_db, windows=None, provenance=traced
        )

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probabilities from which labels are chosen, in the form that the task takes."""
        return self.rule.thresholds

    @property
    def thresholds_from(self) -> str:
        """``even chance`` for the task's own thresholds, or else ``validation``."""
        own = self.rule.task.default_thresholds(len(self.labels))
        return "even chance" if self.thresholds == own else "validation"

    @cached_property
    def predictions(self) -> Predictions:
        """The calibrated logits."""
        logits = self.rule.calibrate(self.uncalibrated.logits)
        return Predictions(self.uncalibrated.clips, logits, self.uncalibrated.task)

    @cached_property
    def decisions(self) -> Decisions:
        """What is said of each clip."""
        return self.rule.decide(self.uncalibrated.logits, self.levels_db)

    @cached_property
    def chosen(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the labels that each clip was given; none without a decision."""
        return tuple(self.decisions.indices())

    @cached_property
    def right(self) -> Bool[np.ndarray, " clips"]:
        """Which clips were judged rightly."""
        return self.decisions.are_right(self.predictions.targets)

    @cached_property
    def scores(self) -> Scores:
        """The figures; a clip with a label and without a decision is not judged rightly."""
        confidence = self.settings.confidence
        chosen = self.decisions.chosen
        return score_chosen(self.predictions, chosen, self.labels, confidence=confidence)

    @property
    def draws(self) -> ClusterBootstrap:
        """Groups of the test, drawn again."""
        names = [clip.group_or_name for clip in self.predictions.clips]
        settings = self.settings
        return ClusterBootstrap(names, settings.resamples, settings.seed, settings.confidence)

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """Bootstrap intervals of ``accuracy``, ``loss`` and ``brier``."""
        predictions = self.predictions
        task, targets = predictions.task, predictions.targets
        columns = {
            "accuracy": self.right,
            "loss": task.losses(predictions.logits, targets),
            "brier": brier_scores(predictions.probabilities, targets, task),
        }
        tops = np.column_stack(list(columns.values())).astype(np.float64)
        return dict(zip(columns, self.draws.ratios(tops, np.ones_like(tops)), strict=True))

    @cached_property
    def class_intervals(self) -> dict[str, dict[str, Interval | None]]:
        """Label to bootstrap intervals of its ``precision``, ``recall`` and ``f1``."""
        targets = self.predictions.targets
        chosen = self.decisions.chosen.astype(np.float64)
        hits = targets * chosen
        tops = np.hstack([hits, hits, 2.0 * hits])
        found = self.draws.ratios(tops, np.hstack([chosen, targets, chosen + targets]))
        step = len(self.labels)
        return {
            label: dict(zip(RATIOS, found[index::step], strict=True))
            for index, label in enumerate(self.labels)
        }

    @cached_property
    def calibrations(self) -> tuple[Calibration, Calibration]:
        """Calibration of the network's own probabilities, and of those that are given."""
        targets, task = self.predictions.targets, self.predictions.task
        before, after = (
            measure_calibration(one.logits, targets, task)
            for one in (self.uncalibrated, self.predictions)
        )
        return before, after

    @cached_property
    def roc_curves(self) -> dict[str, Curve | None]:
        """Label to its ROC curve, one against the rest."""
        return self._curves(roc_curve)

    @cached_property
    def precision_recall_curves(self) -> dict[str, Curve | None]:
        """Label to its curve of precision over recall, one against the rest."""
        return self._curves(recall_precision_curve)

    def _curves(self, make: Any) -> dict[str, Curve | None]:
        predictions = self.predictions
        scores = predictions.probabilities
        if predictions.task is BINARY:
            # Logits do not round to one.
            scores = np.hstack([-predictions.logits, predictions.logits])
        columns = zip(self.labels, predictions.targets.T, scores.T, strict=True)
        return {label: make(target, score) for label, target, score in columns}

    @cached_property
    def coverage(self) -> Coverage:
        """How many clips have a decision, and how good the decisions are."""
        decided = self.rule.without_abstention.decide(self.uncalibrated.logits)
        right = decided.are_right(self.predictions.targets)
        reasons = Counter(self.decisions.abstained)
        return Coverage(
            num_clips=len(right),
            num_silent=reasons["silence"],
            num_unsure=reasons["unsure"],
            num_correct=int((self.right & self.decisions.is_decided).sum()),
            curve=coverage_curve(decided.confidence, right),
        )

    @cached_property
    def majority(self) -> Majority:
        """A judge who gives every clip the commonest labels, and the model against it."""
        targets = [clip.targets for clip in self.predictions.clips]
        if self.commonest is None:
            counts = Counter(targets)
            given = min(counts, key=lambda indices: (-counts[indices], indices))
        else:
            given = tuple(sorted(map(self.labels.index, self.commonest)))
        row = multi_hot([given], len(self.labels))
        right = (self.predictions.targets == row).all(axis=1)
        return Majority(
            tuple(self.labels[index] for index in given),
            self.commonest is not None,
            compare_paired(self.right, right, self.draws),
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints."""
        before, after = self.calibrations
        intervals = {
            f"{name}_bootstrap_interval": _as_list(ends) for name, ends in self.intervals.items()
        }
        return {
            **self.scores.to_dict(),
            **intervals,
            "brier": after.brier,
            "ece": after.ece,
            "bootstrap": {"resamples": self.settings.resamples, "seed": self.settings.seed},
            "per_class": self._per_class(),
            **self._named_thresholds(),
            "calibration": {
                "temperature": self.rule.temperature,
                "before": before.to_dict(),
                "after": after.to_dict(),
            },
            "decisions": {
                **self.coverage.to_dict(),
                "min_probability": self.rule.min_probability,
                "silence_db": self.rule.silence_db,
            },
            "majority": self.majority.to_dict(),
            **({"baseline": self.baseline.to_dict()} if self.baseline else {}),
            **({"windows": self.windows.to_dict()} if self.windows else {}),
            **({"provenance": self.provenance.to_dict()} if self.provenance else {}),
            "skipped": [one.to_dict() for one in self.skipped],
        }

    def _per_class(self) -> dict[str, Mapping[str, Any]]:
        areas = {"roc_auc": self.roc_curves, "average_precision": self.precision_recall_curves}
        return {
            label: {
                **self.scores.per_class[label],
                **{f"{name}_interval": _as_list(ends) for name, ends in intervals.items()},
                **{
                    name: curve.area if (curve := curves[label]) else None
                    for name, curves in areas.items()
                },
            }
            for label, intervals in self.class_intervals.items()
        }

    def _named_thresholds(self) -> dict[str, Any]:
        task, labels = self.predictions.task, self.labels
        if not self.thresholds:
            return {}
        if task is BINARY:
            named: dict[str, Any] = {"threshold": self.thresholds[0]}
        else:
            named = {"thresholds": dict(zip(labels, self.thresholds, strict=True))}
        return {**named, "thresholds_from": self.thresholds_from}

    def to_csv(self) -> str:
        """A row a clip: its name, labels, what was said of it and the probability of each label."""
        labels = self.labels
        rows: list[tuple[str, ...]] = [(*PREDICTION_COLUMNS, *labels)]
        decided = self.decisions
        judged = zip(
            *(self.predictions.clips, self.chosen, self.right),
            *(decided.abstained, decided.probabilities),
            strict=True,
        )
        for clip, chosen, is_right, reason, row in judged:
            names = (join_labels(labels, indices) for indices in (clip.targets, chosen))
            shares = (f"{share:.6f}" for share in row)
            hit = "yes" if is_right else "no"
            rows.append((clip.name, *names, hit, reason or "", *shares))
        return "".join(csv_lines(rows))


def join_labels(labels: Sequence[str], indices: Sequence[int]) -> str:
    """Labels as a manifest spells them, between semicolons."""
    return ";".join(labels[index] for index in indices)


def _as_list(interval: Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
