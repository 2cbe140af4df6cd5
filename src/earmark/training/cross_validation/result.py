"""Results of a cross-validation: predictions on held-out folds and their metrics."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from earmark.data.content import Clip
from earmark.errors import FailedFile
from earmark.evaluation.baselines import ClassicalComparison
from earmark.evaluation.metrics.intervals import effective_size, wilson_interval
from earmark.evaluation.metrics.scores import Predictions, Scores, score_chosen
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.system.files import csv_lines
from earmark.system.notebook import html_table
from earmark.system.shapes import Bool, Float64
from earmark.tasks.task import Task, join_labels, multi_hot
from earmark.training.cross_validation.fold_result import FoldFailure, FoldResult


@dataclass(frozen=True)
class FoldPrediction:
    """The prediction of one network for one held-out clip.

    Args:
        seed: Seed of the network.
        fold: The fold of the clip, which the network was not trained on.
        clip: The clip.
        chosen: Indices of the predicted labels, as those of a `FoldResult`.
        probabilities: Of each label.
    """

    seed: int
    fold: str
    clip: Clip
    chosen: tuple[int, ...]
    probabilities: Float64[np.ndarray, " labels"]

    @property
    def is_correct(self) -> bool:
        """Whether exactly the clip's labels were predicted."""
        return self.chosen == self.clip.targets

    @property
    def min_probability(self) -> float | None:
        """The lowest probability of the predicted labels; None when there are none."""
        return min((float(self.probabilities[index]) for index in self.chosen), default=None)


@dataclass(frozen=True)
class CrossValidation:
    """All folds of all seeds, and their metrics taken together.

    Args:
        task: What the labels mean.
        labels: The vocabulary.
        clips: Name to clip, of all usable clips.
        results: The folds that were tested, by seed and fold.
        failures: The folds that failed.
        skipped: Recordings that could not be used.
        confidence: Level of the intervals.
        background: The label that is never predicted, whether or not it is in the vocabulary.
        classical: The networks compared with a classical model on the same folds.
    """

    task: Task
    labels: tuple[str, ...]
    clips: Mapping[str, Clip]
    results: tuple[FoldResult, ...]
    failures: tuple[FoldFailure, ...] = ()
    skipped: tuple[FailedFile, ...] = ()
    confidence: float = 0.95
    background: str = ""
    classical: ClassicalComparison | None = None

    def pool(
        self, results: Sequence[FoldResult]
    ) -> tuple[Predictions, Bool[np.ndarray, "clips labels"]]:
        """The predictions of several folds together, and the labels that each fold predicted.

        Args:
            results: Folds of one seed, or a clip would be counted twice.
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
        """Metrics of several folds together."""
        predictions, chosen = self.pool(results)
        return score_chosen(predictions, chosen, self.labels, confidence=self.confidence)

    @cached_property
    def fold_scores(self) -> tuple[Scores, ...]:
        """Metrics of each fold, in the order of the results."""
        return tuple(self.score([one]) for one in self.results)

    @cached_property
    def seed_scores(self) -> dict[int, Scores]:
        """Seed to the metrics of its folds together."""
        by_seed = defaultdict(list)
        for one in self.results:
            by_seed[one.seed].append(one)
        return {seed: self.score(results) for seed, results in by_seed.items()}

    @cached_property
    def predictions(self) -> tuple[FoldPrediction, ...]:
        """The predictions of all seeds for all clips."""
        return tuple(one for result in self.results for one in self._predictions_of(result))

    def _predictions_of(self, result: FoldResult) -> Iterator[FoldPrediction]:
        pooled, chosen = self.pool([result])
        for clip, row, probabilities in zip(
            pooled.clips, chosen, pooled.probabilities, strict=True
        ):
            indices = tuple(map(int, np.flatnonzero(row)))
            yield FoldPrediction(result.seed, result.fold, clip, indices, probabilities)

    @cached_property
    def by_clip(self) -> dict[str, list[FoldPrediction]]:
        """Name of a clip to its predictions, one a seed; in the order of the recordings."""
        found: dict[str, list[FoldPrediction]] = {name: [] for name in self.clips}
        for one in self.predictions:
            found[one.clip.name].append(one)
        return {name: each for name, each in found.items() if each}

    @property
    def num_correct(self) -> int:
        """Number of correct predictions, over all clips and seeds."""
        return sum(one.is_correct for one in self.predictions)

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions, over all clips and seeds."""
        return self.num_correct / len(self.predictions)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson interval of the accuracy, for the number of clips that `effective_size` gives.

        More seeds refine the accuracy on each clip; they do not add clips.
        """
        accuracies = [np.mean([one.is_correct for one in each]) for each in self.by_clip.values()]
        size = effective_size(np.array(accuracies), self._groups)
        return wilson_interval(self.accuracy, size, self.confidence)

    @property
    def _groups(self) -> list[str]:
        """The group of each clip in the order of `by_clip`; without one, a clip is its own."""
        return [each[0].clip.group or name for name, each in self.by_clip.items()]

    @property
    def accuracy_std(self) -> float | None:
        """Sample standard deviation of the accuracy over seeds; None for one seed."""
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
        """Clips with a wrong prediction, those that are wrong in most seeds first.

        ``predicted`` is the most frequent wrong prediction and ``probability`` its mean probability
        over the seeds that made it: of several labels the lowest, of none None.
        """
        found = []
        for name, each in self.by_clip.items():
            wrong = [one for one in each if not one.is_correct]
            if wrong:
                answer = Counter(one.chosen for one in wrong).most_common(1)[0][0]
                probabilities = [one.min_probability for one in wrong if one.chosen == answer]
                found.append(
                    {
                        "path": name,
                        "label": join_labels(self.labels, wrong[0].clip.targets),
                        "predicted": self._join_predicted(answer),
                        "probability": _mean(probabilities),
                        "fold": wrong[0].fold,
                        "num_wrong": len(wrong),
                        "num_seeds": len(each),
                    }
                )
        return sorted(found, key=lambda one: -one["num_wrong"] / one["num_seeds"])

    def _join_predicted(self, chosen: Sequence[int]) -> str:
        answers = [index for index in chosen if self.labels[index] != self.background]
        return join_labels(self.labels, answers)

    def to_dict(self) -> dict[str, Any]:
        """What ``cross-validate --json`` prints."""
        seeds = list(self.seed_scores.values())
        ranks = [one.ranks.to_dict() for one in seeds if one.ranks]
        return {
            "task": self.task.name,
            "labels": list(self.labels),
            "folds": [
                _describe(one, scores)
                for one, scores in zip(self.results, self.fold_scores, strict=True)
            ],
            "num_clips": len(self.by_clip),
            "num_groups": len(set(self._groups)),
            "num_predictions": len(self.predictions),
            "num_correct": self.num_correct,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "accuracy_mean": statistics.mean(one.accuracy for one in seeds),
            "accuracy_std": self.accuracy_std,
            "mean_fold_accuracy": statistics.mean(one.accuracy for one in self.fold_scores),
            "loss": statistics.mean(one.loss for one in seeds),
            **{name: _mean([one[name] for one in ranks]) for name in (ranks[0] if ranks else ())},
            **({"excerpts": self.excerpts.to_dict()} if self.excerpts else {}),
            **({"classical": self.classical.to_dict()} if self.classical else {}),
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
        for one in self.predictions:
            names = join_labels(self.labels, one.clip.targets), self._join_predicted(one.chosen)
            probabilities = (f"{value:.6f}" for value in one.probabilities)
            correct = "yes" if one.is_correct else "no"
            rows.append((one.seed, one.fold, one.clip.name, *names, correct, *probabilities))
        return "".join(csv_lines(rows))

    def summary(self) -> str:
        """Accuracy over all folds and seeds with its interval, in one line."""
        low, high = self.accuracy_interval
        return (
            f"accuracy {self.accuracy:.1%} ({self.num_correct} of {len(self.predictions)}), "
            f"{self.confidence:.0%} interval {low:.1%} to {high:.1%}, {len(self.results)} folds"
            + (f", {len(self.failures)} failed" if self.failures else "")
        )

    def __repr__(self) -> str:
        return f"CrossValidation({self.summary()})"

    def _repr_html_(self) -> str:
        columns = ("seed", "fold", "clips", "correct", "accuracy", "loss", "epochs")
        rows = [
            (
                *(one.seed, one.fold, scores.num_clips, scores.num_correct),
                *(f"{scores.accuracy:.1%}", f"{scores.loss:.4f}", len(one.log)),
            )
            for one, scores in zip(self.results, self.fold_scores, strict=True)
        ]
        return html_table(columns, rows) + f"<p>{self.summary()}</p>"


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
        **({"classical": result.classical.summary()} if result.classical else {}),
        "best_epoch": result.best_epoch,
        "epochs": len(result.log),
        "elapsed_seconds": result.elapsed_seconds,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None
