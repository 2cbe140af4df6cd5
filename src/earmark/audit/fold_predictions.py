"""The probabilities of a cross-validation: each clip by networks that were trained without it."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.config import TrainConfig
from earmark.data.background import with_background
from earmark.data.manifest import Manifest
from earmark.data.names.spelling import normalize
from earmark.data.recording import Recording
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.models.work_folder import WorkFolder
from earmark.system.files import read_text
from earmark.system.shapes import Float64
from earmark.tasks.task import MULTI_LABEL, TASKS, Task

_NUM_NAMED = 6
"""Columns of ``predictions.csv`` before those of the labels; the third and fourth are used."""


class ClipPrediction(NamedTuple):
    """The prediction of a clip by networks that were trained without its fold.

    Args:
        name: Of the clip in the cross-validation.
        labels: Its labels there.
        probabilities: Of each label, the mean over the seeds.
    """

    name: str
    labels: tuple[str, ...]
    probabilities: Float64[np.ndarray, " labels"]


@dataclass(frozen=True)
class FoldPredictions:
    """What a cross-validation predicts for the clips that it was not trained on.

    Args:
        path: The folder.
        task: What the labels mean.
        labels: The vocabulary.
        background_label: The label of recordings of anything else.
        clips: Content to the predictions of the clips that have it.
    """

    path: Path
    task: Task
    labels: tuple[str, ...]
    background_label: str
    clips: Mapping[ClipKey, Sequence[ClipPrediction]]

    def find(self, recording: Recording, digest: str) -> ClipPrediction | None:
        """The prediction of a recording, by its content; of copies, that of the same name.

        Args:
            recording: What is looked for.
            digest: Of the content of its file.
        """
        found = self.clips.get(ClipKey.of(digest, recording.excerpt), ())
        same_name = (one for one in found if one.name == recording.name)
        return next(same_name, found[0] if found else None)

    def labelled(self, manifest: Manifest) -> Manifest:
        """Data with the labels as the cross-validation treats and spells them.

        Args:
            manifest: The data. Labels that the cross-validation does not know stay as they are.
        """
        settings = {"task": self.task.name, "background_label": self.background_label}
        return with_background(manifest, TrainConfig().model_copy(update=settings))

    def targets(self, labels: Sequence[str]) -> tuple[int, ...] | None:
        """Indices of the labels of a recording; None if it is not one of this vocabulary and task.

        Args:
            labels: Of the recording.
        """
        spelled = {normalize(one): index for index, one in enumerate(self.labels)}
        exact = {one: index for index, one in enumerate(self.labels)}
        found = [exact.get(one, spelled.get(normalize(one))) for one in labels]
        known = tuple(sorted({one for one in found if one is not None}))
        fits = self.task is MULTI_LABEL or len(known) == 1
        return known if fits and None not in found else None


def read_fold_predictions(path: Path) -> FoldPredictions:
    """Reads the folder of a cross-validation.

    Args:
        path: What ``earmark cross-validate -o`` has filled.

    Raises:
        DataError: It is no such folder, is not finished, or is damaged.
    """
    folder, predictions = WorkFolder(path), path / "predictions.csv"
    try:
        document = json.loads(read_text(path / "result.json"))
        task, labels = TASKS[document["task"]], tuple(map(str, document["labels"]))
        table = csv.reader(io.StringIO(read_text(predictions), newline=""))
        background = folder.read_settings()["train"].get("background_label", "")
    except OSError:
        raise DataError(
            f"{path}: no finished cross-validation; give the folder of earmark cross-validate -o"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DataError(f"{path}: damaged; run earmark cross-validate again") from None
    rows = dict(_read_means(predictions, table, labels))
    clips: dict[ClipKey, list[ClipPrediction]] = defaultdict(list)
    for row in folder.read_recordings():
        name, shown = row["name"], tuple(filter(None, row["label"].split(";")))
        if name in rows and row["key"]:
            key = ClipKey.parse(row["key"])
            clips[key].append(ClipPrediction(name, shown, rows[name]))
    return FoldPredictions(path, task, labels, background, clips)


def _read_means(
    path: Path, table: Iterator[list[str]], labels: Sequence[str]
) -> Iterator[tuple[str, Float64[np.ndarray, " labels"]]]:
    """The name of each clip and its mean probabilities over the seeds."""
    sums: dict[str, list[Float64[np.ndarray, " labels"]]] = defaultdict(list)
    try:
        if tuple(next(table)[_NUM_NAMED:]) != tuple(labels):
            raise ValueError
        for row in table:
            # By position: a label may have the name of a column.
            values = np.array([float(cell) for cell in row[_NUM_NAMED:]])
            if len(values) != len(labels) or not ((values >= 0) & (values <= 1)).all():
                raise ValueError
            sums[row[2]].append(values)
    except (ValueError, IndexError, StopIteration, csv.Error):
        raise DataError(f"{path}: damaged; run earmark cross-validate again") from None
    for name, values in sums.items():
        yield name, np.mean(values, axis=0)
