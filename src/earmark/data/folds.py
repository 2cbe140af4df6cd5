"""Folds for cross-validation: the data's own, or drawn by group, stratified by label."""

import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from earmark.data.manifest import Manifest
from earmark.data.overlap import refuse_group_overlap, refuse_sound_overlap
from earmark.data.splits import assign_groups
from earmark.errors import ConfigError, DataError
from earmark.tasks.task import MULTI_LABEL, Task

logger = logging.getLogger(__name__)

DEFAULT_FOLDS = 5
FEWEST_FOLDS = 3
_WHY_THREE = "one to test on, one to validate on and one to train on"


def with_folds(manifest: Manifest, num_folds: int | None, seed: int) -> Manifest:
    """Gives every recording a fold: the manifest's own, or one drawn by group.

    Splits of the data are removed, so that all recordings take part.

    Args:
        manifest: As read.
        num_folds: How many to draw; `DEFAULT_FOLDS` when neither this nor the data give a number.
        seed: Seed of the draw.

    Raises:
        ConfigError: Fewer than `FEWEST_FOLDS`, or another number than that of the data.
        DataError: Some recordings have a fold and others not, a group or sound is in two folds, or
            there are too few groups, in all or of a label, to fill the folds.
    """
    notes = list(manifest.notes)
    if manifest.has_splits:
        notes.append("all recordings take part in the folds; the splits of the data are not used")
    whole = tuple(replace(one, split=None) for one in manifest.recordings)
    divided = replace(manifest, recordings=whole)
    if any(one.fold for one in whole):
        _refuse_own_folds(divided, num_folds)
        notes.append(f"{len(fold_names(divided))} folds, as the data name them")
    else:
        divided = _draw_folds(divided, DEFAULT_FOLDS if num_folds is None else num_folds, seed)
        notes.append(f"{len(fold_names(divided))} folds by group, drawn with split_seed {seed}")
    return replace(divided, notes=tuple(notes))


def _refuse_own_folds(manifest: Manifest, num_folds: int | None) -> None:
    source, names = manifest.source, fold_names(manifest)
    without = next((one for one in manifest.recordings if not one.fold), None)
    if without:
        raise DataError(f"{source}: {without.name} has no fold but others have; fill in every fold")
    if num_folds is not None and num_folds != len(names):
        raise ConfigError(
            f"--folds {num_folds}: {source} names {len(names)} folds of its own; leave --folds out"
        )
    if len(names) < FEWEST_FOLDS:
        raise DataError(
            f"{source}: names {len(names)} folds; at least {FEWEST_FOLDS} are needed, {_WHY_THREE}"
        )
    refuse_group_overlap(source, manifest.recordings, "fold")
    refuse_sound_overlap(source, manifest.recordings, "fold")


def _draw_folds(manifest: Manifest, num_folds: int, seed: int) -> Manifest:
    if num_folds < FEWEST_FOLDS:
        raise ConfigError(f"--folds {num_folds}: at least {FEWEST_FOLDS} are needed, {_WHY_THREE}")
    num_groups = len({one.group for one in manifest.recordings})
    if num_groups < num_folds:
        fewer = f"--folds {num_groups} or " if num_groups >= FEWEST_FOLDS else ""
        raise DataError(
            f"{manifest.source}: {num_groups} groups cannot fill {num_folds} folds; give "
            f"{fewer}recordings of more groups"
        )
    refuse_sound_overlap(manifest.source, manifest.recordings, "group")
    names = [str(number) for number in range(1, num_folds + 1)]
    chosen = assign_groups(manifest.recordings, dict.fromkeys(names, 1 / num_folds), seed)
    num_filled = len(set(chosen.values()))
    if num_filled < num_folds:
        advice = (
            f"use at most {num_filled} folds"
            if num_filled >= FEWEST_FOLDS
            else f"each label needs at least {FEWEST_FOLDS} groups, {_WHY_THREE}; add some"
        )
        raise DataError(
            f"{manifest.source}: its {num_groups} groups fill {num_filled} of {num_folds} folds "
            f"when every label is distributed: {advice}"
        )
    recordings = tuple(replace(one, fold=chosen[one.group]) for one in manifest.recordings)
    return replace(manifest, recordings=recordings)


def fold_names(manifest: Manifest) -> tuple[str, ...]:
    """The folds in natural order: by the numbers in their names, so that 2 comes before 10.

    Args:
        manifest: The data; recordings without a fold are ignored.
    """
    return tuple(sorted({one.fold for one in manifest.recordings if one.fold}, key=_natural))


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not one[0].isdigit(), int(one) if one[0].isdigit() else 0, one) for one in parts], name


def hold_out(manifest: Manifest, fold: str) -> Manifest:
    """Splits from folds: one tests, the next one validates; the first follows the last.

    Args:
        manifest: With folds.
        fold: The one that tests.

    Source:
        The order: Turian et al. (2022), HEAR: Holistic Evaluation of Audio Representations,
        arXiv:2203.03022, and its hear-eval-kit.
    """
    names = fold_names(manifest)
    roles = {fold: "test", names[(names.index(fold) + 1) % len(names)]: "validation"}
    recordings = tuple(
        replace(one, split=roles.get(one.fold or "", "train")) for one in manifest.recordings
    )
    return replace(manifest, recordings=recordings)


def check_folds(manifest: Manifest, task: Task) -> None:
    """Checks, before any work, that every label can be trained and tested whichever fold tests.

    Args:
        manifest: With folds.
        task: What the labels mean.

    Raises:
        DataError: A label is missing from a fold, or in a multi-label task from the training part.
    """
    folds = _folds_by_label(manifest)
    names = fold_names(manifest)
    missing = {label: [one for one in names if one not in found] for label, found in folds.items()}
    missing = {label: found for label, found in missing.items() if found}
    if missing and task is not MULTI_LABEL:
        raise _missing(manifest, missing)
    for label, without in missing.items():
        last = next((fold for fold in names if not _trains(names, fold) & folds[label]), None)
        if last is not None:
            raise DataError(
                f"{manifest.source}: nothing of {label!r} is left to train on when fold {last} "
                "tests; add some to other folds or leave the label out"
            )
        logger.warning(f"{label!r} is missing from {_listed(without)}; its metrics are rough")


def _folds_by_label(manifest: Manifest) -> Mapping[str, set[str]]:
    folds: dict[str, set[str]] = {label: set() for label in manifest.labels}
    for one in manifest.recordings:
        for label in one.labels:
            folds[label].add(one.fold or "")
    return folds


def _trains(names: tuple[str, ...], fold: str) -> set[str]:
    return set(names) - {fold, names[(names.index(fold) + 1) % len(names)]}


def _missing(manifest: Manifest, missing: Mapping[str, list[str]]) -> DataError:
    """The error about the label that the fewest groups have."""
    groups = defaultdict(set)
    for one in manifest.recordings:
        for label in one.labels:
            groups[label].add(one.group)
    label = min(missing, key=lambda name: len(groups[name]))
    num_groups, num_folds = len(groups[label]), len(fold_names(manifest))
    where = f"{manifest.source}: {label!r} is missing from {_listed(missing[label])}"
    if num_groups < FEWEST_FOLDS:
        advice = f"each label needs at least {FEWEST_FOLDS} groups, {_WHY_THREE}; add some"
    elif num_groups < num_folds:
        advice = (
            f"every fold needs it, and {num_groups} groups have it; use at most {num_groups} folds"
        )
    else:
        advice = "every fold needs it; use fewer folds, or groups of fewer recordings"
    return DataError(f"{where}: {advice}")


def _listed(folds: list[str]) -> str:
    return f"{'fold' if len(folds) == 1 else 'folds'} {', '.join(folds[:5])}"
