"""Figures of a cross-validation: every clip judged by networks that have not seen it."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from earmark.data.content import Clip
from earmark.errors import FailedFile
from earmark.evaluation.metrics.intervals import effective_size, wilson_interval
from earmark.evaluation.metrics.scores import Predictions, Scores, score_chosen
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.evaluation.result import join_labels
from earmark.system.files import csv_lines
from earmark.system.shapes import Bool, Float64
from earmark.tasks.task import Task, multi_hot


@dataclass(frozen=True)
class FoldResult:
    """What came of training without a fold and testing on it.

    Args:
        seed: Seed of the weights and the order.
        fold: The fold that tested.
        clips: Names of its clips.
        num_correct: How many of them were judged rightly.
        logits: A row a clip, calibrated.
        chosen: Indices of the labels that each clip was given.
        best_epoch: Epoch of the weights that were tested, counted from 1.
        elapsed_seconds: Time spent in the epochs.
        log: A line an epoch, as in ``log.jsonl``.
        excerpts: Metrics over excerpts, where ``evaluate.excerpt_seconds`` asks for them.
    """

    seed: int
    fold: str
    clips: tuple[str, ...]
    num_correct: int
    logits: tuple[tuple[float, ...], ...]
    chosen: tuple[tuple[int, ...], ...]
    best_epoch: int
    elapsed_seconds: float
    log: tuple[Mapping[str, Any], ...]
    excerpts: ExcerptScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, which give every number back exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "FoldResult":
        """Reads what `to_dict` wrote."""
        excerpts = table["excerpts"]
        typed: dict[str, Any] = {
            "clips": tuple(table["clips"]),
            "logits": tuple(map(tuple, table["logits"])),
            "chosen": tuple(map(tuple, table["chosen"])),
            "log": tuple(table["log"]),
            "excerpts": None if excerpts is None else ExcerptScores(**excerpts),
        }
        return cls(**{**table, **typed})


@dataclass(frozen=True)
class FoldFailure:
    """A fold that could not be trained or tested, and why."""

    seed: int
    fold: str
    error: str


@dataclass(frozen=True)
class FoldPrediction:
    """How one network judged one clip.

    Args:
        seed: Seed of the network.
        fold: The fold of the clip, which the network has not seen.
        clip: The clip.
        chosen: Indices of the chosen labels.
        probabilities: Of each label.
    """

    seed: int
    fold: str
    clip: Clip
    chosen: tuple[int, ...]
    probabilities: Float64[np.ndarray, " labels"]

    @property
    def is_right(self) -> bool:
        """Whether all of the clip's labels were chosen and no others."""
        return self.chosen == self.clip.targets

    @property
    def lowest(self) -> float | None:
        """The lowest probability of the chosen labels; None when there are none."""
        return min((float(self.probabilities[index]) for index in self.chosen), default=None)


@dataclass(frozen=True)
class CrossValidation:
    """All folds of all seeds, and the figures that they make together.

    Args:
        task: What the labels mean.
        labels: The vocabulary.
        clips: Name to clip, of all clips that could be used.
        results: The folds that ended, by seed and fold.
        failures: The others.
        skipped: Recordings that could not be used.
        confidence: Level of the intervals.
    """

    task: Task
    labels: tuple[str, ...]
    clips: Mapping[str, Clip]
    results: tuple[FoldResult, ...]
    failures: tuple[FoldFailure, ...] = ()
    skipped: tuple[FailedFile, ...] = ()
    confidence: float = 0.95

    def predictions(
        self, results: Sequence[FoldResult]
    ) -> tuple[Predictions, Bool[np.ndarray, "clips labels"]]:
        """The predictions of folds put together, and the labels that each fold's test gave.

        Args:
            results: Of one seed, or a clip would be there twice.
        """
        parts = [
            Predictions(
                tuple(self.clips[name] for name in one.clips), np.array(one.logits), self.task
            )
            for one in results
        ]
        chosen = [indices for one in results for indices in one.chosen]
        clips = tuple(clip for part in parts for clip in part.clips)
        logits = np.concatenate([part.logits for part in parts])
        rows = multi_hot(chosen, len(self.labels)).astype(bool)
        return Predictions(clips, logits, self.task), rows

    def score(self, results: Sequence[FoldResult]) -> Scores:
        """The figures of folds put together."""
        predictions, chosen = self.predictions(results)
        return score_chosen(predictions, chosen, self.labels, confidence=self.confidence)

    @cached_property
    def fold_scores(self) -> tuple[Scores, ...]:
        """The figures of each fold alone, in the order of the results."""
        return tuple(self.score([one]) for one in self.results)

    @cached_property
    def seed_scores(self) -> dict[int, Scores]:
        """Seed to the figures of its folds put together."""
        by_seed = defaultdict(list)
        for one in self.results:
            by_seed[one.seed].append(one)
        return {seed: self.score(results) for seed, results in by_seed.items()}

    @cached_property
    def judgements(self) -> tuple[FoldPrediction, ...]:
        """Every clip by every seed."""
        return tuple(one for result in self.results for one in self._judge(result))

    def _judge(self, result: FoldResult) -> Iterator[FoldPrediction]:
        predictions, chosen = self.predictions([result])
        for clip, row, shares in zip(
            predictions.clips, chosen, predictions.probabilities, strict=True
        ):
            indices = tuple(map(int, np.flatnonzero(row)))
            yield FoldPrediction(result.seed, result.fold, clip, indices, shares)

    @cached_property
    def by_clip(self) -> dict[str, list[FoldPrediction]]:
        """Name of a clip to its judgements, one a seed; in the order of the recordings."""
        found: dict[str, list[FoldPrediction]] = {name: [] for name in self.clips}
        for one in self.judgements:
            found[one.clip.name].append(one)
        return {name: several for name, several in found.items() if several}

    @property
    def num_correct(self) -> int:
        """How many judgements are right, over all clips and seeds."""
        return sum(one.is_right for one in self.judgements)

    @property
    def accuracy(self) -> float:
        """Share of the judgements that are right, over all clips and seeds."""
        return self.num_correct / len(self.judgements)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Interval of the accuracy.

        Wilson's, for as many independent clips as `effective_size` finds. Several seeds judge the
        same clips, so they make each clip's share of right judgements finer, never more clips.
        """
        several = self.by_clip.values()
        shares = np.array([np.mean([one.is_right for one in each]) for each in several])
        groups = [each[0].clip.group or each[0].clip.name for each in several]
        size = effective_size(shares, groups)
        return wilson_interval(self.accuracy, size, self.confidence)

    @property
    def accuracy_std(self) -> float | None:
        """Standard deviation of the accuracy between seeds; None for one seed."""
        values = [one.accuracy for one in self.seed_scores.values()]
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def excerpts(self) -> ExcerptScores | None:
        """Metrics over the excerpts of all clips by all seeds, if there are any."""
        found = [one.excerpts for one in self.results if one.excerpts]
        if not found:
            return None
        num_excerpts = sum(one.num_excerpts for one in found)
        return ExcerptScores(
            seconds=found[0].seconds,
            num_excerpts=num_excerpts,
            num_correct=sum(one.num_correct for one in found),
            loss=sum(one.loss * one.num_excerpts for one in found) / num_excerpts,
        )

    def errors(self) -> list[dict[str, Any]]:
        """Clips that any seed got wrong: those that most did first.

        ``predicted`` is the commonest of the wrong answers, and ``probability`` the mean of its
        probability over the seeds that gave it; the lowest of several labels counts, and where no
        label was predicted there is none.
        """
        found = []
        for name, several in self.by_clip.items():
            wrong = [one for one in several if not one.is_right]
            if wrong:
                answer = Counter(one.chosen for one in wrong).most_common(1)[0][0]
                lowest = [one.lowest for one in wrong if one.chosen == answer]
                found.append(
                    {
                        "path": name,
                        "label": join_labels(self.labels, wrong[0].clip.targets),
                        "predicted": join_labels(self.labels, answer),
                        "probability": _mean(lowest),
                        "fold": wrong[0].fold,
                        "num_wrong": len(wrong),
                        "num_seeds": len(several),
                    }
                )
        return sorted(found, key=lambda one: -one["num_wrong"] / one["num_seeds"])

    def to_dict(self) -> dict[str, Any]:
        """What ``cross-validate --json`` prints."""
        seeds = list(self.seed_scores.values())
        ranks = [one.ranks.to_dict() for one in seeds if one.ranks]
        accuracies = [one.accuracy for one in self.fold_scores]
        return {
            "task": self.task.name,
            "labels": list(self.labels),
            "folds": [
                _describe(one, scores)
                for one, scores in zip(self.results, self.fold_scores, strict=True)
            ],
            "num_clips": len(self.by_clip),
            "num_groups": len({one[0].clip.group for one in self.by_clip.values()}),
            "num_judgements": len(self.judgements),
            "num_correct": self.num_correct,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "accuracy_mean": statistics.mean(one.accuracy for one in seeds),
            "accuracy_std": self.accuracy_std,
            "mean_fold_accuracy": statistics.mean(accuracies),
            "loss": statistics.mean(one.loss for one in seeds),
            **{name: _mean([one[name] for one in ranks]) for name in (ranks[0] if ranks else ())},
            **({"excerpts": self.excerpts.to_dict()} if self.excerpts else {}),
            "seeds": [
                {"seed": seed, **scores.to_dict()} for seed, scores in self.seed_scores.items()
            ],
            "errors": self.errors(),
            "failed": [asdict(one) for one in self.failures],
            "skipped": [one.to_dict() for one in self.skipped],
        }

    def to_csv(self) -> str:
        """A row a clip and seed."""
        rows: list[tuple[object, ...]] = [
            ("seed", "fold", "path", "label", "predicted", "correct", *self.labels)
        ]
        for one in self.judgements:
            names = (join_labels(self.labels, each) for each in (one.clip.targets, one.chosen))
            shares = (f"{share:.6f}" for share in one.probabilities)
            hit = "yes" if one.is_right else "no"
            rows.append((one.seed, one.fold, one.clip.name, *names, hit, *shares))
        return "".join(csv_lines(rows))


def _describe(result: FoldResult, scores: Scores) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "fold": result.fold,
        "num_clips": scores.num_clips,
        "num_correct": scores.num_correct,
        "accuracy": scores.accuracy,
        "loss": scores.loss,
        **(scores.ranks.to_dict() if scores.ranks else {}),
        **({"excerpts": result.excerpts.to_dict()} if result.excerpts else {}),
        "best_epoch": result.best_epoch,
        "epochs": len(result.log),
        "elapsed_seconds": result.elapsed_seconds,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
