"""What a test is compared with: the commonest labels, and stored predictions."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import DataError
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import PairedDifference, compare_paired
from earmark.system.shapes import Bool

PREDICTION_COLUMNS = ("path", "label", "predicted", "correct", "abstained")
_NAMED = 3


@dataclass(frozen=True)
class StoredPrediction:
    """A row of stored predictions: the labels that a clip has, and those that it was given."""

    labels: frozenset[str]
    predicted: frozenset[str]

    @property
    def is_right(self) -> bool:
        """Whether the clip was given all of its labels and no others."""
        return self.labels == self.predicted


@dataclass(frozen=True)
class PredictionTable:
    """Stored predictions by the name of their clip.

    Args:
        path: The file.
        rows: Name to prediction.
    """

    path: Path
    rows: Mapping[str, StoredPrediction]


@dataclass(frozen=True)
class BaselineComparison:
    """A test against stored predictions, over the clips that both have.

    Args:
        path: The file of the predictions.
        paired: The test, then the predictions.
        missing: Tested clips that the file does not have.
        num_unused: Clips of the file that were not tested.
    """

    path: Path
    paired: PairedDifference
    missing: tuple[str, ...]
    num_unused: int

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {
            "path": str(self.path),
            "num_correct": self.paired.num_correct[1],
            "accuracy": self.paired.num_correct[1] / self.paired.num_clips,
            **self.paired.to_dict(),
            "missing": list(self.missing),
            "num_unused": self.num_unused,
        }


@dataclass(frozen=True)
class Majority:
    """A judge who gives every clip the commonest labels.

    Args:
        labels: Those labels.
        is_from_training: Whether training recordings chose them; or else the test's own did, for
            want of a run folder.
        paired: The model against this judge.
    """

    labels: tuple[str, ...]
    is_from_training: bool
    paired: PairedDifference

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {
            "labels": list(self.labels),
            "from": "training" if self.is_from_training else "test",
            "num_correct": self.paired.num_correct[1],
            "accuracy": self.paired.num_correct[1] / self.paired.num_clips,
            **self.paired.to_dict(),
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
    needed = PREDICTION_COLUMNS[:_NAMED]
    # By their first places: a label may have the name of a column.
    if tuple(columns[:_NAMED]) != needed:
        raise DataError(
            f"{path}: not predictions; the first columns are to be {', '.join(needed)}, as in the "
            "predictions.csv that earmark evaluate writes"
        )
    rows: dict[str, StoredPrediction] = {}
    for row in filter(None, cells):
        if len(row) < _NAMED or row[0] in rows:
            why = "is there twice" if len(row) >= _NAMED else "lacks a cell"
            raise DataError(f"{path}: {row[0]} {why}; mend the row")
        rows[row[0]] = StoredPrediction(_split(row[1]), _split(row[2]))
    return PredictionTable(path, rows)


def _split(cell: str) -> frozenset[str]:
    return frozenset(filter(None, cell.split(";")))


def compare_stored(
    table: PredictionTable,
    labels: Mapping[str, frozenset[str]],
    right: Bool[np.ndarray, " clips"],
    draws: ClusterBootstrap,
) -> BaselineComparison:
    """A test against stored predictions of its clips, which are matched by their names.

    Args:
        table: The predictions.
        labels: Name of each tested clip to its labels, in order.
        right: Which of them were judged rightly.
        draws: Of their groups.

    Raises:
        DataError: The file has none of the clips, or other labels for one of them.
    """
    names = [name for name in labels if name in table.rows]
    if not names:
        raise DataError(
            f"{table.path}: has none of the tested clips; give predictions of the same data"
        )
    for name in names:
        if table.rows[name].labels != labels[name]:
            found, known = (
                ";".join(sorted(one)) for one in (table.rows[name].labels, labels[name])
            )
            raise DataError(
                f"{table.path}: {name} is {found!r} there and {known!r} in the test; give "
                "predictions of the same data"
            )
    is_there = np.array([name in table.rows for name in labels])
    stored = np.array([table.rows[name].is_right for name in names])
    groups = tuple(one for one, here in zip(draws.groups, is_there, strict=True) if here)
    return BaselineComparison(
        path=table.path,
        paired=compare_paired(right[is_there], stored, replace(draws, groups=groups)),
        missing=tuple(name for name in labels if name not in table.rows),
        num_unused=len(table.rows) - len(names),
    )
