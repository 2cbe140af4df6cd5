"""Baselines of a test: the majority labels, a classical model, and stored predictions."""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import DataError
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.metrics.significance import PairedDifference, compare_paired
from earmark.system.files import csv_lines
from earmark.system.shapes import Bool
from earmark.tasks.decision_rule import Decisions
from earmark.tasks.task import join_labels

PREDICTION_COLUMNS = ("path", "label", "predicted", "correct", "abstained")
CLASSICAL_NAME = "SVM on cepstral statistics"
SIGNIFICANT = 0.05
"""P-values below this are unlikely to be chance."""
_NUM_REQUIRED = 3
"""Columns that a table of predictions must start with; the others may be missing."""


@dataclass(frozen=True)
class StoredPrediction:
    """A row of stored predictions.

    Args:
        labels: The labels that the clip has.
        predicted: The labels that were predicted.
    """

    labels: frozenset[str]
    predicted: frozenset[str]

    @property
    def correct(self) -> bool:
        """Whether exactly the labels of the clip were predicted."""
        return self.labels == self.predicted


@dataclass(frozen=True)
class PredictionTable:
    """Stored predictions by the name of their clip.

    Args:
        path: The file.
        rows: Name of a clip to its prediction.
    """

    path: Path
    rows: Mapping[str, StoredPrediction]

    def without(self, label: str | None) -> "PredictionTable":
        """The same predictions, with no label in place of one.

        Args:
            label: That of the background, which is right where none is predicted; None changes
                nothing.
        """
        if label is None:
            return self
        rows = {
            name: StoredPrediction(one.labels - {label}, one.predicted - {label})
            for name, one in self.rows.items()
        }
        return replace(self, rows=rows)


@dataclass(frozen=True)
class BaselineComparison:
    """A test compared with stored predictions, on the clips that both have.

    Args:
        path: The file of the predictions.
        paired: The test first, the stored predictions second.
        missing: Tested clips that the file lacks.
        num_unused: Clips of the file that were not tested.
    """

    path: Path
    paired: PairedDifference
    missing: tuple[str, ...]
    num_unused: int

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "path": str(self.path),
            "num_correct": self.paired.num_correct[1],
            "accuracy": self.paired.accuracies[1],
            **self.paired.to_dict(),
            "missing": list(self.missing),
            "num_unused": self.num_unused,
        }


@dataclass(frozen=True)
class Majority:
    """The baseline that predicts the most frequent labels for every clip.

    Args:
        labels: These labels.
        is_from_training: Whether they are the most frequent in training; without a run folder they
            are the most frequent in the test.
        paired: The model first, this baseline second.
    """

    labels: tuple[str, ...]
    is_from_training: bool
    paired: PairedDifference

    @property
    def headline(self) -> str:
        """Its accuracy in words: ``Always predicting music scores 50.0%.``."""
        labels = " and ".join(self.labels) or "no label"
        return f"Always predicting {labels} scores {self.paired.accuracies[1]:.1%}."

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``evaluate --json`` prints."""
        return {
            "labels": list(self.labels),
            "from": "training" if self.is_from_training else "test",
            "num_correct": self.paired.num_correct[1],
            "accuracy": self.paired.accuracies[1],
            **self.paired.to_dict(),
        }


def predictions_csv(
    labels: Sequence[str],
    predictions: Predictions,
    decisions: Decisions,
    correct: Bool[np.ndarray, " clips"],
) -> str:
    """The table of a test, a row a clip: name, labels, predicted labels, probability of each label.

    Args:
        labels: The vocabulary.
        predictions: Of the test.
        decisions: On its clips.
        correct: Which clips are predicted correctly.
    """
    scores = predictions.novelty
    more = () if scores is None else ("novelty",)
    rows: list[tuple[str, ...]] = [(*PREDICTION_COLUMNS, *more, *labels)]
    for index, (clip, chosen) in enumerate(
        zip(predictions.clips, decisions.indices(), strict=True)
    ):
        score = () if scores is None else (scores[index],)
        rows.append(
            (
                *(clip.name, join_labels(labels, clip.targets), join_labels(labels, chosen)),
                *("yes" if correct[index] else "no", decisions.abstained[index] or ""),
                *(f"{one:.6f}" for one in (*score, *decisions.probabilities[index])),
            )
        )
    return "".join(csv_lines(rows))


@dataclass(frozen=True)
class ClassicalComparison:
    """A network compared with a classical model that was fitted on the same recordings.

    Args:
        paired: The predictions of the network first, those of the classical model second; None if
            it could not be fitted.
        reason: Why it could not be fitted.
        num_networks: Number of networks, each of another seed, whose predictions are compared.
        maps: Mean average precision of the network and of the classical model, where the task is
            multi-label.
        num_train_clips: Number of clips that it was fitted on, the most if there are several folds.
        num_available: Number of clips that it could have been fitted on.
        recipe: Name of the recipe of the network; empty if it is unknown.
    """

    paired: PairedDifference | None = None
    reason: str = ""
    num_networks: int = 1
    maps: tuple[float | None, float | None] | None = None
    num_train_clips: int = 0
    num_available: int = 0
    recipe: str = ""

    @property
    def headline(self) -> str:
        """Its accuracy, whether the network beats it, and what to try if not, in words."""
        paired, name = self.paired, f"Classical baseline ({CLASSICAL_NAME})"
        if paired is None:
            return f"{name}: none, {self.reason}."
        num_clips, num_correct = self._counts(paired)
        line = f"{name}: {num_correct / num_clips:.1%} ({num_correct} of {num_clips})"
        if self.maps and None not in self.maps:
            line += ", mAP {1:.4f} against {0:.4f} of the network".format(*self.maps)
        if self.num_train_clips < self.num_available:
            line += f", fitted on {self.num_train_clips:,} of {self.num_available:,} training clips"
        return f"{line}; {self._verdict(paired)}{self._advice(paired)}"

    def _counts(self, paired: PairedDifference) -> tuple[int, int]:
        """The number of clips and of correct predictions, of the classical model alone."""
        return paired.num_clips // self.num_networks, paired.num_correct[1] // self.num_networks

    def _verdict(self, paired: PairedDifference) -> str:
        p_value = paired.test.p_value
        test = "McNemar p < 0.001" if p_value < 0.001 else f"McNemar p = {p_value:.2g}"
        if self.num_networks > 1:
            test += f" in the least certain of {self.num_networks} seeds"
        if paired.difference == 0:
            return f"the network is equally accurate ({test})."
        points = f"{100 * abs(paired.difference):.1f} points"
        chance = "" if p_value < SIGNIFICANT else ", which may be chance"
        if paired.difference > 0:
            return f"the network is better by {points} ({test}{chance})."
        return f"the network is worse by {points} ({test}{chance})."

    def _advice(self, paired: PairedDifference) -> str:
        """What to try; nothing if the network is better or makes no errors."""
        if paired.difference > 0 or paired.num_correct[0] == paired.num_clips:
            return ""
        other = "" if self.recipe == "auto" else "; or --recipe auto"
        return f" Try more recordings per label, and correct what earmark check finds{other}."

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``--json`` prints; a reason in place of missing ones."""
        paired = self.paired
        if paired is None:
            return {"name": CLASSICAL_NAME, "reason": self.reason}
        num_clips, num_correct = self._counts(paired)
        return {
            "name": CLASSICAL_NAME,
            "num_correct": num_correct,
            "accuracy": paired.accuracies[1],
            **({"map": self.maps[1]} if self.maps else {}),
            **paired.to_dict(),
            "num_clips": num_clips,
            "p_value": paired.test.p_value,
            "num_train_clips": self.num_train_clips,
            "num_available_clips": self.num_available,
        }


def read_predictions(path: Path) -> PredictionTable:
    """Reads ``predictions.csv``, or any table with the columns path, label and predicted.

    Raises:
        DataError: It cannot be read, lacks a column, or names a clip twice.
    """
    try:
        # A spreadsheet may have put a byte order mark first.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            columns, *cells = [*csv.reader(file)] or [[]]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    required = PREDICTION_COLUMNS[:_NUM_REQUIRED]
    # By position: a label may have the name of a column.
    if tuple(columns[:_NUM_REQUIRED]) != required:
        raise DataError(
            f"{path}: not a table of predictions; its first columns must be "
            f"{', '.join(required)}, as in the predictions.csv that earmark evaluate writes"
        )
    rows: dict[str, StoredPrediction] = {}
    for row in filter(None, cells):
        if len(row) < _NUM_REQUIRED or row[0] in rows:
            why = "is listed twice" if len(row) >= _NUM_REQUIRED else "lacks a cell"
            raise DataError(f"{path}: {row[0]} {why}; fix the row")
        rows[row[0]] = StoredPrediction(_split(row[1]), _split(row[2]))
    return PredictionTable(path, rows)


def _split(cell: str) -> frozenset[str]:
    return frozenset(filter(None, cell.split(";")))


def compare_stored(
    table: PredictionTable,
    labels: Mapping[str, frozenset[str]],
    correct: Bool[np.ndarray, " clips"],
    bootstrap: ClusterBootstrap,
) -> BaselineComparison:
    """Compares a test with stored predictions of its clips, matched by name.

    Args:
        table: The predictions.
        labels: Name of each tested clip to its labels, in order.
        correct: Which of them the test predicted correctly.
        bootstrap: Of their groups.

    Raises:
        DataError: The file has none of the clips, or different labels for one of them.
    """
    names = [name for name in labels if name in table.rows]
    if not names:
        raise DataError(f"{table.path}: none of the tested clips; use predictions of the same data")
    for name in names:
        if table.rows[name].labels != labels[name]:
            found, known = (
                ";".join(sorted(one)) for one in (table.rows[name].labels, labels[name])
            )
            raise DataError(
                f"{table.path}: {name} is labelled {found!r}, but {known!r} in the test; use "
                "predictions of the same data"
            )
    is_stored = np.array([name in table.rows for name in labels])
    stored = np.array([table.rows[name].correct for name in names])
    groups = tuple(itertools.compress(bootstrap.groups, is_stored))
    return BaselineComparison(
        path=table.path,
        paired=compare_paired(correct[is_stored], stored, replace(bootstrap, groups=groups)),
        missing=tuple(name for name in labels if name not in table.rows),
        num_unused=len(table.rows) - len(names),
    )
