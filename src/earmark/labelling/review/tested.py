"""The predictions of a test or a cross-validation, one a clip."""

import csv
import io
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import DataError
from earmark.system.files import read_text

_COLUMNS = ("path", "label", "predicted", "correct")

_Row = Mapping[str, str]


@dataclass(frozen=True)
class TestedClip:
    """The predictions of all seeds for a clip.

    Args:
        name: The clip.
        predicted: The most frequent prediction; the most frequent wrong one if any is wrong.
        probability: Its mean probability; of several labels, the lowest. None if there is none.
        score: How improbable the labels of the clip are: 1 less the lowest of their mean
            probabilities. None if it has no label.
        reason: In words, whether it is wrong.
    """

    # The name is not that of a test for pytest to run.
    __test__ = False

    name: str
    predicted: str
    probability: float | None
    score: float | None
    reason: str


def read_tested(path: Path) -> Iterator[TestedClip]:
    """Reads ``predictions.csv`` of a test or of a cross-validation.

    Args:
        path: The table.

    Raises:
        DataError: It is not such a table.
    """
    by_clip: dict[str, list[_Row]] = defaultdict(list)
    try:
        lines = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        for row in lines:
            if None in row or None in row.values():
                raise DataError(f"{path}, line {lines.line_num}: a wrong number of cells")
            by_clip[row["path"]].append(row)
        if missing := [one for one in _COLUMNS if one not in (lines.fieldnames or ())]:
            raise DataError(f"{path}: no column {missing[0]}; test the model again")
    except (csv.Error, KeyError) as error:
        raise DataError(f"{path}: not the predictions of a test ({error})") from None
    for name, rows in by_clip.items():
        yield _join(path, name, rows)


def _join(path: Path, name: str, rows: Sequence[_Row]) -> TestedClip:
    wrong = [row for row in rows if row["correct"] != "yes"]
    predicted = Counter(row["predicted"] for row in wrong or rows).most_common(1)[0][0]
    probability = _lowest(path, rows, predicted)
    given = _lowest(path, rows, rows[0]["label"])
    reason = "predicted wrongly" if wrong else ""
    if wrong and len(rows) > 1:
        reason += f" by {len(wrong)} of {len(rows)} networks"
    return TestedClip(name, predicted, probability, None if given is None else 1 - given, reason)


def _lowest(path: Path, rows: Sequence[_Row], labels: str) -> float | None:
    """The lowest of the mean probabilities of labels; None if there are none."""
    means = []
    for label in filter(None, labels.split(";")):
        try:
            means.append(statistics.mean(float(row[label]) for row in rows))
        except (ValueError, KeyError):
            raise DataError(f"{path}: no probability of {label!r}; test the model again") from None
    return min(means, default=None)
