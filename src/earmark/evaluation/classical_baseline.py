"""The classical model as a baseline: fitted on the recordings of a run, tested beside its network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data.content import Clip
from earmark.errors import DataError, EarmarkError
from earmark.evaluation.baselines import ClassicalComparison
from earmark.evaluation.classical import clip_statistics, fit_classical
from earmark.evaluation.metrics.scores import Predictions, score
from earmark.evaluation.metrics.significance import compare_paired
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey, FeatureStore
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.progress import SILENT, Reporter
from earmark.system.shapes import Bool, Float64
from earmark.tasks.task import multi_hot


@dataclass(frozen=True)
class ClassicalTest:
    """What the classical model predicts for the clips of a test, in their order.

    Args:
        reason: Why it could not be fitted; empty if it was.
        logits: A row a clip, in the form of the task; not calibrated.
        correct: Which clips are predicted correctly.
        num_train_clips: Number of clips that it was fitted on.
        num_available: Number of clips that it could have been fitted on.
    """

    reason: str = ""
    logits: tuple[tuple[float, ...], ...] = ()
    correct: tuple[bool, ...] = ()
    num_train_clips: int = 0
    num_available: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "ClassicalTest":
        """Reads what `to_dict` wrote."""
        logits = tuple(map(tuple, table["logits"]))
        return cls(**{**table, "logits": logits, "correct": tuple(table["correct"])})


def run_clips(run: RunFolder, labels: Sequence[str], splits: Sequence[str]) -> list[Clip]:
    """The clips of a run that have features, from its record.

    Args:
        run: The run folder.
        labels: The vocabulary of its model.
        splits: Of ``train``, ``validation`` and ``test``, which clips.

    Raises:
        DataError: The record is damaged.
    """
    index = {label: number for number, label in enumerate(labels)}
    try:
        return [
            Clip(
                row["name"],
                ClipKey.parse(row["key"]),
                tuple(sorted(index[one] for one in row["label"].split(";") if one)),
                row["group"],
            )
            for row in run.read_recordings()
            if row["key"] and row["split"] in splits
        ]
    except (ValueError, KeyError):
        raise DataError(f"{run.recordings}: damaged; restore it, or train again") from None


def test_classical(
    train: Sequence[Clip],
    test: Sequence[Clip],
    spec: ModelSpec,
    store: FeatureStore,
    reporter: Reporter = SILENT,
) -> ClassicalTest:
    """Fits the classical model and predicts the clips of a test; what prevents it is in the result.

    Args:
        train: The clips to fit on.
        test: Other clips.
        spec: Task and labels of the network. Clips are labelled by its rule, at the default
            thresholds and without abstention.
        store: Where the features are.
        reporter: Shows progress.
    """
    try:
        rows = _statistics((*train, *test), store, reporter)
        targets = _targets(train, spec)
        groups = [clip.group_or_name for clip in train]
        model = fit_classical(rows[: len(train)], targets, groups, spec.task, reporter)
    except EarmarkError as error:
        return ClassicalTest(str(error))
    logits = model.logits(rows[len(train) :])
    defaults = spec.task.default_thresholds(len(spec.labels))
    rule = replace(spec.rule.without_abstention, thresholds=defaults, temperature=1.0)
    correct = rule.decide(logits).correct(_targets(test, spec))
    return ClassicalTest(
        logits=tuple(map(tuple, logits.tolist())),
        correct=tuple(correct.tolist()),
        num_train_clips=model.num_clips,
        num_available=len(train),
    )


def compare_classical(
    found: ClassicalTest, evaluation: Evaluation
) -> ClassicalComparison:
    """The network of a test compared with the classical model on the same clips.

    Args:
        found: The test of the classical model.
        evaluation: That of the network.
    """
    if found.reason:
        return ClassicalComparison(reason=found.reason)
    predictions = evaluation.predictions
    ranks = evaluation.scores.ranks
    return ClassicalComparison(
        paired=compare_paired(evaluation.correct, np.array(found.correct), evaluation.bootstrap),
        maps=ranks
        and (
            ranks.mean_average_precision,
            mean_average_precision(predictions.clips, found.logits, evaluation),
        ),
        num_train_clips=found.num_train_clips,
        num_available=found.num_available,
    )
