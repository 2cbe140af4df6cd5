"""Labels: the task that they make up, and whether every split has what the task needs."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from earmark.config import FeatureConfig, TrainConfig
from earmark.data.content import Clip
from earmark.data.manifest import Manifest
from earmark.data.names.doubtful import doubtful_names
from earmark.data.names.guesses import guess_naming
from earmark.data.names.likely_groups import guess_groups
from earmark.data.recording import SPLIT_TITLES, SPLITS
from earmark.errors import DataError
from earmark.features.band import find_band
from earmark.tasks.task import BINARY, MULTI_LABEL, TASKS, Task, find_task

logger = logging.getLogger(__name__)


def choose_task(manifest: Manifest, config: TrainConfig) -> Task:
    """The task that the settings name or the labels call for, if the splits allow it.

    Args:
        manifest: The data, with splits.
        config: Which task, and whether validation needs every label.

    Raises:
        DataError: There are fewer than two labels, or one is missing where it is needed.
    """
    task = name_task(manifest, config)
    counts = manifest.counts()
    _require_training(manifest, counts)
    if not config.trains_on_validation:
        _require_validation(manifest, task, counts["validation"])
    return task


def name_task(manifest: Manifest, config: TrainConfig) -> Task:
    """The task that the settings name or the labels call for, whatever their splits.

    Args:
        manifest: The data.
        config: Which task.

    Raises:
        DataError: There are fewer than two labels, or a recording's labels do not fit the task.
    """
    labels = manifest.labels
    if len(labels) < 2:
        found = f"only the label {labels[0]!r}" if labels else "no label"
        message = f"{manifest.source}: {found}; a classifier needs at least two"
        guess = guess_naming([one.name for one in manifest.recordings])
        if guess and manifest.source.is_dir() and not manifest.naming:
            raise DataError(f"{message}; {guess}", str(guess.naming))
        raise DataError(message)
    task = task_of(manifest, config)
    if task is BINARY and len(labels) != 2:
        raise DataError(
            f"{manifest.source}: {len(labels)} labels; a binary task has two, so set "
            "train.task=multi_class"
        )
    require_labels(manifest, task)
    return task


def task_of(manifest: Manifest, config: TrainConfig) -> Task:
    """The task that the settings name or the labels call for, whether or not the labels fit it."""
    if config.task == "auto":
        return find_task((one.labels for one in manifest.recordings), len(manifest.labels))
    return TASKS[config.task]


def require_labels(manifest: Manifest, task: Task) -> None:
    """Checks that the labels of every recording fit the task.

    Raises:
        DataError: A recording has no label or several where the task needs exactly one.
    """
    if task is MULTI_LABEL:
        return
    for one in manifest.recordings:
        if len(one.labels) != 1:
            found = f"the labels {' and '.join(one.labels)}" if one.labels else "no label"
            raise DataError(
                f"{manifest.source}: {one.name} has {found}, and a {task.title} task needs one "
                "each; correct it, or set train.task=multi_label"
            )


def _require_training(manifest: Manifest, counts: Mapping[str, Mapping[str, int]]) -> None:
    for label in manifest.labels:
        present = [split for split in SPLITS if counts[split][label]]
        if present == ["test"]:
            raise DataError(
                f"{manifest.source}: {label!r} is in the test split only, so no model can learn "
                "it; add some to the training split or leave the label out"
            )
        if "train" not in present:
            raise DataError(
                f"{manifest.source}: no {label!r} in the training split; {_advice(manifest, label)}"
            )


def _require_validation(manifest: Manifest, task: Task, counts: Mapping[str, int]) -> None:
    for label in manifest.labels:
        if counts[label]:
            continue
        if task is not MULTI_LABEL:
            raise DataError(
                f"{manifest.source}: no {label!r} in the validation split; "
                f"{_advice(manifest, label)}"
            )
        logger.warning(f"no {label!r} in the validation split: its threshold stays at 0.5")


def _advice(manifest: Manifest, label: str) -> str:
    count = labels_short_of_groups(manifest).get(label)
    if count is None:
        return "add some"
    return (
        f"it has {count} of the {len(SPLITS)} groups that splits need at least, so add "
        "recordings of it from elsewhere"
    )


def labels_short_of_groups(manifest: Manifest) -> dict[str, int]:
    """Labels with fewer groups than there are splits, so that some split must lack them.

    Args:
        manifest: The data.

    Returns:
        Label to its number of groups.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for one in manifest.recordings:
        for label in one.labels:
            groups[label].add(one.group)
    counts = {label: len(groups[label]) for label in manifest.labels}
    return {label: count for label, count in counts.items() if count < len(SPLITS)}


def require_clips(manifest: Manifest, task: Task, clips: Mapping[str, Sequence[Clip]]) -> None:
    """Checks that every label that training and validation need has a usable clip.

    Args:
        manifest: The data.
        task: What the labels mean; a multi-label task does without some in validation.
        clips: Split to its usable clips.

    Raises:
        DataError: A label has none in a split.
    """
    for split, usable in clips.items():
        present = {index for clip in usable for index in clip.targets}
        missing = [label for index, label in enumerate(manifest.labels) if index not in present]
        if split == "validation" and task is MULTI_LABEL:
            # Any clip will do: those without a label validate too.
            missing = [] if usable else missing
        if missing:
            raise DataError(
                f"{manifest.source}: {missing[0]!r} has no usable clip in the "
                f"{SPLIT_TITLES[split]} split; add some"
            )


def log_data(manifest: Manifest, task: Task, features: FeatureConfig) -> None:
    """Logs the task, how many recordings of which label there are, what was assumed, and doubts.

    Args:
        manifest: The data.
        task: What the labels mean.
        features: The front end; a note says how much of a far wider band it keeps.
    """
    logger.info(f"task: {task.title}, {len(manifest.labels)} labels")
    logger.info(f"data: {manifest.summary()}")
    band = find_band([one.path for one in manifest.recordings], features)
    for note in (*manifest.notes, *([band] if band else [])):
        logger.info(f"note: {note}")
    if guess := guess_groups(manifest):
        logger.warning(str(guess))
    for doubtful in doubtful_names(manifest):
        logger.warning(doubtful.message)
