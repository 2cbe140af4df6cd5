"""The classical model as a baseline: fitted on what a run has seen, tested beside its network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data.content import Clip
from earmark.errors import DataError, EarmarkError
from earmark.evaluation.baselines import ClassicalComparison, read_predictions
from earmark.evaluation.classical import clip_statistics, fit_classical
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.scores import Predictions, score
from earmark.evaluation.metrics.significance import compare_paired
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey, FeatureStore
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.numbers import counted
from earmark.system.progress import SILENT, Reporter
from earmark.system.shapes import Float64
from earmark.tasks.task import MULTI_LABEL, multi_hot


@dataclass(frozen=True)
class ClassicalPredictions:
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

    def mean_average_precision(self, clips: Sequence[Clip], labels: Sequence[str]) -> float | None:
        """That of a multi-label task.

        Args:
            clips: The clips of the test.
            labels: The vocabulary.
        """
        predictions = Predictions(tuple(clips), np.array(self.logits), MULTI_LABEL)
        ranks = score(predictions, labels).ranks
        return ranks.mean_average_precision if ranks else None

    def summary(self) -> dict[str, Any]:
        """How many predictions are correct, or why there are none."""
        if self.reason:
            return {"reason": self.reason}
        num_correct = sum(self.correct)
        return {"num_correct": num_correct, "accuracy": num_correct / len(self.correct)}

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "ClassicalPredictions":
        """Reads what `to_dict` wrote."""
        typed: dict[str, Any] = {
            "logits": tuple(map(tuple, table["logits"])),
            "correct": tuple(table["correct"]),
        }
        return cls(**{**table, **typed})


def run_clips(run: RunFolder, spec: ModelSpec, splits: Sequence[str]) -> list[Clip]:
    """The clips of a run that have features, from its record.

    Args:
        run: The run folder.
        spec: Its model. In a multi-label task clips of the background have no label.
        splits: Of ``train``, ``validation`` and ``test``, which clips.

    Raises:
        DataError: The record is damaged.
    """
    index = {label: number for number, label in enumerate(spec.labels)}
    unlabelled = {"", spec.config.train.background_label} - set(index)
    try:
        return [
            Clip(
                row["name"],
                ClipKey.parse(row["key"]),
                tuple(sorted(index[one] for one in {*row["label"].split(";")} - unlabelled)),
                row["group"],
            )
            for row in run.read_recordings()
            if row["key"] and row["split"] in splits
        ]
    except (ValueError, KeyError):
        raise DataError(f"{run.recordings}: damaged; restore it, or train again") from None


def predict_classical(
    train: Sequence[Clip],
    test: Sequence[Clip],
    spec: ModelSpec,
    store: FeatureStore,
    reporter: Reporter = SILENT,
) -> ClassicalPredictions:
    """Fits the classical model and predicts the clips of a test; what prevents it is in the result.

    Args:
        train: The clips to fit on.
        test: Other clips.
        spec: Task and labels of the network. Clips are labelled by its rule, at the default
            thresholds and without abstention.
        store: Where the features are.
        reporter: Shows progress.
    """
    if not (train and test):
        return ClassicalPredictions("there is no clip to fit it on, or none to test it on")
    try:
        rows = _statistics((*train, *test), store, reporter)
        targets = _targets(train, spec)
        groups = [clip.group_or_name for clip in train]
        model = fit_classical(rows[: len(train)], targets, groups, spec.task, reporter)
    except EarmarkError as error:
        return ClassicalPredictions(str(error))
    logits = model.logits(rows[len(train) :])
    defaults = spec.task.default_thresholds(len(spec.labels))
    rule = replace(spec.rule.without_abstention, thresholds=defaults, temperature=1.0)
    correct = rule.decide(logits).correct(_targets(test, spec))
    return ClassicalPredictions(
        logits=tuple(map(tuple, logits.tolist())),
        correct=tuple(correct.tolist()),
        num_train_clips=model.num_clips,
        num_available=len(train),
    )


def evaluate_classical(
    evaluation: Evaluation,
    spec: ModelSpec,
    run: Path | None,
    store_root: Path | None,
    reporter: Reporter = SILENT,
) -> ClassicalPredictions:
    """Fits the classical model on what a network was trained and validated on, and tests it.

    Args:
        evaluation: The test of the network, on other clips.
        spec: The network.
        run: Its run folder, if there is one.
        store_root: Folder of the feature store; the shared one by default.
        reporter: Shows progress.
    """
    if run is None:
        reason = "what the model was trained on is unknown without its run folder"
        return ClassicalPredictions(reason)
    store = FeatureStore(store_root, spec.config.features)
    try:
        train = run_clips(RunFolder(run), spec, ("train", "validation"))
    except EarmarkError as error:
        return ClassicalPredictions(str(error))
    return predict_classical(train, evaluation.predictions.clips, spec, store, reporter)


def compare_classical(
    found: ClassicalPredictions, evaluation: Evaluation, recipe: str
) -> ClassicalComparison:
    """A network compared with the classical model on the clips of its test.

    Args:
        found: What the classical model predicts for them.
        evaluation: The test of the network.
        recipe: Name of the recipe of the network.
    """
    if found.reason:
        return ClassicalComparison(reason=found.reason)
    ranks, maps = evaluation.scores.ranks, None
    if ranks:
        classical = found.mean_average_precision(evaluation.predictions.clips, evaluation.labels)
        maps = ranks.mean_average_precision, classical
    return ClassicalComparison(
        paired=compare_paired(evaluation.correct, np.array(found.correct), evaluation.bootstrap),
        maps=maps,
        num_train_clips=found.num_train_clips,
        num_available=found.num_available,
        recipe=recipe,
    )


def validate_classical(
    run: RunFolder,
    spec: ModelSpec,
    validation: Mapping[str, Any],
    store_root: Path | None,
    reporter: Reporter = SILENT,
) -> ClassicalComparison:
    """A network compared with the classical model on its validation clips.

    The classical model is fitted on the training clips alone. The network has an advantage: its
    epoch, temperature and thresholds were chosen on the validation clips.

    Args:
        run: The run folder, with the predictions of the validation clips.
        spec: The network.
        validation: Its metrics, as of `Scores.to_dict`.
        store_root: Folder of the feature store; the shared one by default.
        reporter: Shows progress.
    """
    try:
        table = read_predictions(run.validation)
        rows = table.without(spec.config.train.background_label).rows
        train = run_clips(run, spec, ("train",))
        clips = [one for one in run_clips(run, spec, ("validation",)) if one.name in rows]
    except EarmarkError as error:
        return ClassicalComparison(reason=str(error))
    store = FeatureStore(store_root, spec.config.features)
    found = predict_classical(train, clips, spec, store, reporter)
    if found.reason:
        return ClassicalComparison(reason=found.reason)
    correct = np.array([rows[one.name].correct for one in clips])
    settings = spec.config.evaluate
    bootstrap = ClusterBootstrap(
        [clip.group_or_name for clip in clips],
        *(settings.resamples, settings.seed, settings.confidence),
    )
    return ClassicalComparison(
        paired=compare_paired(correct, np.array(found.correct), bootstrap),
        maps=(validation["map"], found.mean_average_precision(clips, spec.labels))
        if spec.task is MULTI_LABEL
        else None,
        num_train_clips=found.num_train_clips,
        num_available=found.num_available,
        recipe=spec.config.recipe.name,
    )


def _statistics(
    clips: Sequence[Clip], store: FeatureStore, reporter: Reporter
) -> Float64[np.ndarray, "clips columns"]:
    missing = [clip for clip in clips if clip.key not in store]
    if missing:
        raise DataError(
            f"the features of {len(missing)} of {counted(len(clips), 'clip')} are no longer in "
            f"{store.folder}; run earmark prepare on the data"
        )
    rows = []
    with reporter.track("statistics of clips", len(clips)) as task:
        for clip in clips:
            rows.append(clip_statistics(store[clip.key]))
            task.advance()
    return np.array(rows)


def _targets(clips: Sequence[Clip], spec: ModelSpec) -> Float64[np.ndarray, "clips labels"]:
    return multi_hot([clip.targets for clip in clips], len(spec.labels))
