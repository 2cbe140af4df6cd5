"""Held-out recordings: what a model may be tested on, because it was not trained on it."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from earmark.data.background import with_background
from earmark.data.content import Clip, ContentSet
from earmark.data.labels import require_labels
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.names.spelling import normalize, similar_names
from earmark.data.preparation import Prepared, usable_clips
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.models.checkpoint import ModelSpec
from earmark.models.run_folder import RunFolder
from earmark.system.remote.path import to_path
from earmark.tasks.task import MULTI_LABEL

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenData:
    """What a run was trained and validated on, and the runs whose weights it started from.

    Args:
        keys: Name of each recording to its content.
        files: Name of each recording to its file, where the run folder notes it.
        groups: Groups of the recordings.
        majority_labels: The most frequent labels among the training recordings.
    """

    keys: Mapping[str, ClipKey]
    files: Mapping[str, Path]
    groups: frozenset[str]
    majority_labels: tuple[str, ...]

    @cached_property
    def content(self) -> ContentSet:
        """Content of the recordings."""
        return ContentSet(self.keys.values())


def read_as_trained(data: Path | str | Manifest, *runs: RunFolder | None) -> Manifest:
    """Reads a data set; if a run was trained on it, with the patterns of file names of that run.

    Args:
        data: What `read_manifest` takes.
        runs: The run folders of the models that will be tested, where they are known.

    Raises:
        DataError: The data cannot be read.
        TrainingError: The record of a run is damaged.
    """
    if isinstance(data, Manifest):
        return data
    stored = (run.read_naming(to_path(data)) for run in runs if run)
    return read_manifest(data, **next((naming for naming in stored if naming), {}))


def read_seen_data(run: Path | None) -> SeenData | None:
    """What the run folder of a model records; None without a run folder.

    Raises:
        DataError: The record is damaged.
    """
    if run is None:
        return None
    rows = RunFolder(run).read_seen()
    # A recording that is its own group does not identify others of the same name.
    groups = frozenset(row["group"] for row in rows if row["group"] != row["name"])
    own = RunFolder(run).read_recordings()
    counts = Counter(row["label"] for row in own if row["split"] == "train")
    # Ties go to the first in the alphabet, so that the order of rows does not matter.
    majority = min(counts, key=lambda labels: (-counts[labels], labels), default="")
    labels = tuple(majority.split(";")) if majority else ()
    files = {row["name"]: run / row["path"] for row in rows if row.get("path")}
    return SeenData(_read_keys(RunFolder(run), rows), files, groups, labels)


def _read_keys(run: RunFolder, rows: Iterable[Mapping[str, str]]) -> dict[str, ClipKey]:
    try:
        return {row["name"]: ClipKey.parse(row["key"]) for row in rows if row["key"]}
    except ValueError:
        raise DataError(f"{run.recordings}: damaged; restore it, or train again") from None


def knows(spec: ModelSpec, labels: Iterable[str]) -> bool:
    """Whether a model has all labels of a recording, in any spelling.

    Args:
        spec: The model.
        labels: Of the recording. In a multi-label task the label of the background stands for none.
    """
    known = {normalize(one) for one in spec.labels}
    if spec.task is MULTI_LABEL:
        known.add(normalize(spec.config.train.background_label))
    return all(normalize(one) in known for one in labels)


def match_labels(manifest: Manifest, spec: ModelSpec) -> Manifest:
    """The data with the labels as the model spells them.

    Args:
        manifest: The data; their labels have one spelling, which those of a model need not have.
        spec: The model.

    Raises:
        DataError: A recording's labels do not fit the task, or are not the model's.
    """
    manifest = with_background(manifest, spec.config.with_train(task=spec.task.name).train)
    require_labels(manifest, spec.task)
    # A label that the model has as it is goes first.
    spelled = {normalize(label): label for label in spec.labels} | {one: one for one in spec.labels}
    unknown = sorted(set(manifest.labels) - set(spelled))
    if unknown:
        similar = [one for one in spec.labels if similar_names([one, unknown[0]])]
        raise DataError(
            f"{manifest.source}: {unknown[0]!r} is not one of the model's labels: "
            f"{', '.join(spec.labels)}{f' (did you mean {similar[0]!r}?)' if similar else ''}"
        )
    if set(manifest.labels) <= set(spec.labels):
        return manifest
    recordings = tuple(
        replace(one, labels=tuple(sorted(spelled[label] for label in one.labels)))
        for one in manifest.recordings
    )
    labels = tuple(sorted(spelled[label] for label in manifest.labels))
    return replace(manifest, recordings=recordings, labels=labels)


def select_test_recordings(
    manifest: Manifest, seen: SeenData | None, labels: tuple[str, ...]
) -> Manifest:
    """The recordings to test on, by their splits and groups.

    Args:
        manifest: The data.
        seen: What the model was trained on, if known.
        labels: The vocabulary of the model.

    Raises:
        DataError: There is no test split, nor a record of what the model was trained on.
    """
    groups = seen.groups if seen else frozenset()
    if manifest.has_splits:
        tested = manifest.split("test")
        if not tested:
            raise DataError(f"{manifest.source}: no test split; add one, or use other data")
        shared = sorted({one.group for one in tested} & groups)
        if shared:
            logger.warning(
                f"{len(shared)} groups of the test split have the names of training groups "
                f"({', '.join(shared[:3])}); if they are the same, the metrics are optimistic"
            )
    elif seen is None:
        raise DataError(
            f"{manifest.source}: no splits, and no record of what the model was trained on; give "
            "its run folder, or data with a test split"
        )
    else:
        tested = tuple(one for one in manifest.recordings if one.group not in groups)
    recordings = tuple(replace(one, split="test") for one in tested)
    return replace(manifest, recordings=recordings, labels=labels)


def held_out_clips(
    manifest: Manifest, prepared: Prepared, seen: SeenData | None, *, has_splits: bool
) -> list[Clip]:
    """The clips to test on, by their content.

    Args:
        manifest: As from `select_test_recordings`.
        prepared: Their features.
        seen: What the model was trained on, if known.
        has_splits: Whether the data came with splits: a seen clip is an error then.

    Raises:
        DataError: Clips of a test split were trained on, or no clip is left.
    """
    clips = usable_clips(manifest, prepared, "test")
    known = dict.fromkeys(clip for clip in clips if seen and clip.key in seen.content)
    if known and has_splits:
        listed = ", ".join(clip.name for clip in list(known)[:3])
        raise DataError(
            f"{manifest.source}: {len(known)} test clips have the same content as clips of the "
            f"training or validation split: {listed}; remove them from one of the two"
        )
    left = [clip for clip in clips if clip not in known]
    require_left(manifest, left)
    return left


def require_left(manifest: Manifest, clips: Sequence[Clip]) -> None:
    """Checks that there is something to test on.

    Raises:
        DataError: There is not.
    """
    if not clips:
        raise DataError(
            f"{manifest.source}: no clip is left to test on; add recordings of groups that took no "
            "part in training"
        )
