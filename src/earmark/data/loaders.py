"""What a run may be trained and validated on: the task, the clips and their loaders."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from earmark.config import Config, TrainConfig
from earmark.data.dataset import (
    AudioDataset,
    Clip,
    OrderedLoader,
    TrainingLoader,
    require_labels,
    usable_clips,
)
from earmark.data.folders import SPLIT_TITLES
from earmark.data.manifest import SPLITS, Manifest
from earmark.data.preparation import ContentSet, Prepared
from earmark.data.splits import labels_short_of_groups
from earmark.errors import DataError, TrainingError
from earmark.features.store import FeatureStore
from earmark.features.windows import choose_window_frames
from earmark.system.runtime import Runtime
from earmark.tasks.task import BINARY, MULTI_LABEL, TASKS, Task, find_task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaders:
    """Random windows to train on, and every window of the validation split in order, if any.

    The windows that the network gets have ``window_frames`` frames.
    """

    train: TrainingLoader
    validation: OrderedLoader | None
    window_frames: int


def choose_task(manifest: Manifest, config: TrainConfig, runtime: Runtime) -> Task:
    """The task that the settings name or the data ask for, if the splits allow it.

    Args:
        manifest: The data, with splits.
        config: Which task.
        runtime: Where the work is done.

    Raises:
        DataError: There is nothing to tell apart, or a label is missing where it is needed.
    """
    task = name_task(manifest, config)
    counts = {
        split: Counter(label for one in manifest.split(split) for label in one.labels)
        for split in SPLITS
    }
    _check_label_counts(manifest, counts)
    if config.hold_out_validation:
        _check_validated(manifest, task, counts["validation"], runtime)
    return task


def name_task(manifest: Manifest, config: TrainConfig) -> Task:
    """The task that the settings name or the data ask for, whatever their splits.

    Args:
        manifest: The data.
        config: Which task.

    Raises:
        DataError: There is nothing to tell apart, or a recording's labels do not fit the task.
    """
    labels = manifest.labels
    if len(labels) < 2:
        found = f"only the label {labels[0]!r}" if labels else "no label"
        raise DataError(f"{manifest.source}: {found}; at least two are needed to tell apart")
    if config.task == "auto":
        task = find_task((one.labels for one in manifest.recordings), len(labels))
    else:
        task = TASKS[config.task]
    if task is BINARY and len(labels) != 2:
        raise DataError(
            f"{manifest.source}: {len(labels)} labels; a binary task has two, so set "
            "train.task=multi_class"
        )
    require_labels(manifest, task)
    return task


def _check_label_counts(manifest: Manifest, counts: Mapping[str, Mapping[str, int]]) -> None:
    for label in manifest.labels:
        present = [split for split in SPLITS if counts[split][label]]
        if present == ["test"]:
            raise DataError(
                f"{manifest.source}: {label!r} occurs in the test split only, where it could never "
                "be learnt; add some to the training split or leave it out"
            )
        if "train" not in present:
            raise DataError(
                f"{manifest.source}: no {label!r} in the training split; {_mend(manifest, label)}"
            )


def _mend(manifest: Manifest, label: str) -> str:
    count = labels_short_of_groups(manifest).get(label)
    if count is None:
        return "add some"
    return (
        f"it has {count} of the {len(SPLITS)} groups that splits need at least, so add "
        "recordings of it from elsewhere"
    )


def _check_validated(
    manifest: Manifest, task: Task, counts: Mapping[str, int], runtime: Runtime
) -> None:
    for label in manifest.labels:
        if counts[label]:
            continue
        if task is not MULTI_LABEL:
            raise DataError(
                f"{manifest.source}: no {label!r} in the validation split; {_mend(manifest, label)}"
            )
        logger.warning(f"no {label!r} in the validation split: its threshold stays at 0.5")


def tell_data(manifest: Manifest) -> None:
    """Says how many recordings of which label there are, and what was assumed."""
    logger.info(f"data: {manifest.summary()}")
    for note in manifest.notes:
        logger.info(f"note: {note}")


def make_loaders(
    manifest: Manifest,
    prepared: Prepared,
    store: FeatureStore,
    config: Config,
    task: Task,
    runtime: Runtime,
) -> Loaders:
    """The loaders of the training split and, where it is validated, of the validation split.

    Raises:
        DataError: A label has no usable clip in a split that needs it.
        TrainingError: There are fewer windows than processes.
    """
    train_clips = usable_clips(manifest, prepared, "train")
    _require_every_label(manifest, "train", train_clips)
    lengths = [store.num_frames(clip.key) for clip in train_clips]
    window_frames = choose_window_frames(lengths, config)
    num_labels = len(manifest.labels)
    training = AudioDataset(
        store,
        train_clips,
        window_frames,
        crops=config,
        num_labels=num_labels,
    )
    if len(training) < runtime.world_size:
        raise TrainingError(
            f"{len(training)} training windows cannot be shared by {runtime.world_size} processes; "
            "start fewer"
        )
    validation = None
    if config.train.hold_out_validation:
        clips = _validation_clips(manifest, prepared, train_clips, task, runtime)
        overlap = config.predict.overlap
        windows = AudioDataset(store, clips, window_frames, overlap=overlap, num_labels=num_labels)
        validation = OrderedLoader(windows, runtime)
    return Loaders(TrainingLoader(training, config.train, runtime), validation, window_frames)


def _validation_clips(
    manifest: Manifest, prepared: Prepared, train_clips: list[Clip], task: Task, runtime: Runtime
) -> list[Clip]:
    """The clips to validate on, without those whose content is trained on."""
    trained = ContentSet(clip.key for clip in train_clips)
    clips = []
    for clip in usable_clips(manifest, prepared, "validation"):
        if clip.key in trained:
            where = "is in the training split too"
            logger.warning(f"left out of validation: {clip.name} {where}")
        else:
            clips.append(clip)
    if task is not MULTI_LABEL:
        _require_every_label(manifest, "validation", clips)
    elif not clips:
        raise DataError(f"{manifest.source}: no usable clip in the validation split; add some")
    return clips


def _require_every_label(manifest: Manifest, split: str, clips: list[Clip]) -> None:
    present = {index for clip in clips for index in clip.targets}
    missing = [label for index, label in enumerate(manifest.labels) if index not in present]
    if missing:
        raise DataError(
            f"{manifest.source}: {missing[0]!r} has no usable clip in the {SPLIT_TITLES[split]} "
            "split; add some"
        )
