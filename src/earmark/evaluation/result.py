"""The result of a test: decisions, metrics with confidence intervals, and baselines."""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from earmark.config import EvaluateConfig
from earmark.errors import FailedFile
from earmark.evaluation.baselines import (
    BaselineComparison,
    Majority,
    PredictionTable,
    compare_stored,
    predictions_csv,
)
from earmark.evaluation.metrics.calibration import Calibration, brier_scores, measure_calibration
from earmark.evaluation.metrics.curves import (
    Coverage,
    Curve,
    coverage_curve,
    recall_precision_curve,
    roc_curve,
)
from earmark.evaluation.metrics.formats import format_interval
from earmark.evaluation.metrics.intervals import ClusterBootstrap, Interval
from earmark.evaluation.metrics.novelty import NoveltyScores, score_novelty
from earmark.evaluation.metrics.scores import Predictions, Scores, score_chosen
from earmark.evaluation.metrics.significance import compare_paired
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.evaluation.provenance import Provenance, digest_clips
from earmark.system.notebook import html_lines, html_table
from earmark.system.numbers import counted
from earmark.system.shapes import Bool, Float64
from earmark.tasks.decision_rule import DecisionRule, Decisions
from earmark.tasks.task import BINARY, multi_hot

RATIOS = ("precision", "recall", "f1")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A test: the decision on each clip, the metrics, and the recordings that failed.

    Metrics are computed when they are first used; those of the bootstrap take a while.

    Args:
        uncalibrated: The logits of the network.
        labels: The vocabulary.
        rule: How logits become labels.
        levels_db: Level of each clip's loudest frame, in dB of full scale.
        settings: The section ``evaluate``.
        skipped: Recordings that failed.
        excerpts: Metrics over excerpts, if ``evaluate.excerpt_seconds`` is set.
        majority_labels: The most frequent labels among the training recordings; None if unknown.
        provenance: What is needed to reproduce the test.
        baseline: The comparison with stored predictions of the same clips.
    """

    uncalibrated: Predictions
    labels: tuple[str, ...]
    rule: DecisionRule
    levels_db: Float64[np.ndarray, " clips"] | None = None
    settings: EvaluateConfig = field(default_factory=EvaluateConfig)
    skipped: tuple[FailedFile, ...] = ()
    excerpts: ExcerptScores | None = None
    majority_labels: tuple[str, ...] | None = None
    provenance: Provenance | None = None
    baseline: BaselineComparison | None = None

    def __repr__(self) -> str:
        return f"{self.headline}\n{self.interval_line}\n{self.majority.headline}"

    def _repr_html_(self) -> str:
        if self.scores.ranks:
            return html_lines(repr(self))
        rows = zip(self.labels, self.scores.confusion, strict=True)
        columns = ("label \\ predicted", *self.labels)
        return html_lines(repr(self)) + html_table(columns, [(name, *row) for name, row in rows])

    @property
    def headline(self) -> str:
        """The accuracy in words, such as ``Test accuracy 93.8% (15 of 16 clips, 9 groups)``."""
        scores = self.scores
        clips = f"{scores.num_correct} of {counted(scores.num_clips, 'clip')}"
        if scores.num_groups != scores.num_clips:
            clips += f", {counted(scores.num_groups, 'group')}"
        return f"Test accuracy {scores.accuracy:.1%} ({clips})"

    @property
    def interval_line(self) -> str:
        """The confidence interval of the accuracy and the log-loss, in words."""
        interval = format_interval(self.scores.accuracy_interval, ".1%")
        level = f"{100 * self.settings.confidence:.4g}% confidence interval (Wilson)"
        return f"{level}: {interval}; log-loss {self.scores.loss:.4f}"

    @property
    def accuracy(self) -> float:
        """Fraction of the clips that are predicted correctly."""
        return self.scores.accuracy

    def with_baseline(self, table: PredictionTable) -> "Evaluation":
        """The same test, compared with stored predictions.

        Raises:
            DataError: They are not of these clips.
        """
        clips = self.predictions.clips
        labels = {clip.name: frozenset(self._answers(clip.targets)) for clip in clips}
        table = table.without(self.background_label)
        baseline = compare_stored(table, labels, self.correct, self.bootstrap)
        return replace(self, baseline=baseline)

    def only(self, names: Container[str]) -> "Evaluation":
        """The same test of some of its clips, without metrics over excerpts, which are of all."""
        everything = self.uncalibrated
        kept = [index for index, one in enumerate(everything.clips) if one.name in names]
        if len(kept) == len(everything.clips):
            return self
        some = everything.rows(kept)
        levels_db = None if self.levels_db is None else self.levels_db[kept]
        provenance = self.provenance
        if provenance is not None:
            provenance = replace(provenance, data_digest=digest_clips(some.clips))
        return replace(
            self, uncalibrated=some, levels_db=levels_db, excerpts=None, provenance=provenance
        )

    @property
    def background_label(self) -> str | None:
        """The label that is never predicted; None if there is none."""
        background = self.rule.background
        return None if background is None else self.labels[background]

    def _answers(self, indices: Sequence[int]) -> tuple[str, ...]:
        """The labels with these indices, without that of the background."""
        return tuple(self.labels[index] for index in indices if index != self.rule.background)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probabilities from which labels are predicted, in the form that the task takes."""
        return self.rule.thresholds

    @property
    def thresholds_from(self) -> str:
        """``default`` for the thresholds of the task, otherwise ``validation``."""
        defaults = self.rule.task.default_thresholds(len(self.labels))
        return "default" if self.thresholds == defaults else "validation"

    @cached_property
    def predictions(self) -> Predictions:
        """The calibrated logits."""
        logits = self.rule.calibrate(self.uncalibrated.logits)
        return replace(self.uncalibrated, logits=logits)

    @cached_property
    def decisions(self) -> Decisions:
        """The decision on each clip."""
        predictions = self.uncalibrated
        return self.rule.decide(predictions.logits, self.levels_db, predictions.novelty)

    @cached_property
    def chosen(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the predicted labels of each clip; none if the model abstained."""
        return tuple(self.decisions.indices())

    @cached_property
    def correct(self) -> Bool[np.ndarray, " clips"]:
        """Which clips are predicted correctly."""
        return self.decisions.correct(self.predictions.targets)

    @cached_property
    def scores(self) -> Scores:
        """The metrics; abstaining on a clip that has a label counts as an error."""
        rows, confidence = self.decisions.outcomes, self.settings.confidence
        return score_chosen(self.predictions, rows, self.labels, confidence=confidence)

    @property
    def bootstrap(self) -> ClusterBootstrap:
        """Resamples of the groups of the test."""
        names = [clip.group_or_name for clip in self.predictions.clips]
        settings = self.settings
        return ClusterBootstrap(names, settings.resamples, settings.seed, settings.confidence)

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """Bootstrap intervals of ``accuracy``, ``loss`` and ``brier``."""
        predictions = self.predictions
        task, targets = predictions.task, predictions.targets
        columns = {
            "accuracy": self.correct,
            "loss": task.losses(predictions.logits, targets),
            "brier": brier_scores(predictions.probabilities, targets, task),
        }
        sums = np.column_stack(list(columns.values())).astype(np.float64)
        found = self.bootstrap.intervals(sums, np.ones_like(sums))
        return dict(zip(columns, found, strict=True))

    @cached_property
    def class_intervals(self) -> dict[str, dict[str, Interval | None]]:
        """Label to bootstrap intervals of its ``precision``, ``recall`` and ``f1``."""
        targets = self.predictions.targets
        chosen = self.decisions.outcomes.astype(np.float64)
        hits = targets * chosen
        numerators = np.hstack([hits, hits, 2.0 * hits])
        denominators = np.hstack([chosen, targets, chosen + targets])
        found = self.bootstrap.intervals(numerators, denominators)
        step = len(self.labels)
        return {
            label: dict(zip(RATIOS, found[index::step], strict=True))
            for index, label in enumerate(self.labels)
        }

    @cached_property
    def calibrations(self) -> tuple[Calibration, Calibration]:
        """Calibration of the probabilities without and with the temperature."""
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

    def _curves(self, make: Callable[..., Curve | None]) -> dict[str, Curve | None]:
        predictions = self.predictions
        scores = predictions.probabilities
        if predictions.task is BINARY:
            # Unlike probabilities, logits do not round to one.
            scores = np.hstack([-predictions.logits, predictions.logits])
        columns = zip(self.labels, predictions.targets.T, scores.T, strict=True)
        return {label: make(target, score) for label, target, score in columns}

    @cached_property
    def coverage(self) -> Coverage:
        """How many clips get a decision, and how accurate these decisions are."""
        decided = self.rule.without_abstention.decide(self.uncalibrated.logits, self.levels_db)
        correct = decided.correct(self.predictions.targets)
        reasons = Counter(self.decisions.abstained)
        return Coverage(
            num_clips=len(correct),
            num_silent=reasons["silence"],
            num_unlike_training=reasons["unlike_training"],
            num_unsure=reasons["unsure"],
            num_background=reasons["background"],
            num_correct=int((self.correct & self.decisions.is_decided).sum()),
            curve=coverage_curve(decided.confidence, correct),
        )

    @cached_property
    def novelty(self) -> NoveltyScores | None:
        """How unlike the sound of training the clips are; None where the model has no score."""
        return score_novelty(self.uncalibrated, self.labels, self.rule.max_novelty)

    @cached_property
    def majority(self) -> Majority:
        """The baseline that always predicts the most frequent labels, compared with the model."""
        targets = [clip.targets for clip in self.predictions.clips]
        if self.majority_labels is None:
            counts = Counter(targets)
            majority = min(counts, key=lambda indices: (-counts[indices], indices))
        else:
            majority = tuple(sorted(map(self.labels.index, self.majority_labels)))
        row = multi_hot([majority], len(self.labels))
        correct = (self.predictions.targets == row).all(axis=1)
        return Majority(
            self._answers(majority),
            self.majority_labels is not None,
            compare_paired(self.correct, correct, self.bootstrap),
        )

    def to_dict(self) -> dict[str, Any]:
        """The document that ``evaluate --json`` prints."""
        before, after = self.calibrations
        named = {"silence_label": self.rule.silence_label, "background_label": self.rule.background}
        intervals = {f"{name}_bootstrap_interval": ends for name, ends in self.intervals.items()}
        return {
            **self.scores.to_dict(),
            **{name: ends and list(ends) for name, ends in intervals.items()},
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
                **{key: self.labels[one] for key, one in named.items() if one is not None},
            },
            "majority": self.majority.to_dict(),
            **({"novelty": self.novelty.to_dict()} if self.novelty else {}),
            **({"baseline": self.baseline.to_dict()} if self.baseline else {}),
            **({"excerpts": self.excerpts.to_dict()} if self.excerpts else {}),
            **({"provenance": self.provenance.to_dict()} if self.provenance else {}),
            "skipped": [one.to_dict() for one in self.skipped],
        }

    def _per_class(self) -> dict[str, Mapping[str, Any]]:
        areas = {"roc_auc": self.roc_curves, "average_precision": self.precision_recall_curves}
        return {
            label: {
                **self.scores.per_class[label],
                **{f"{name}_interval": ends and list(ends) for name, ends in intervals.items()},
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
        """One row per clip: name, labels, predicted labels, and the probability of each label."""
        return predictions_csv(self.labels, self.predictions, self.decisions, self.correct)
