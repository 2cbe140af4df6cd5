"""Training, validation and test splits: by group, stratified by label, from a seed."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from earmark.config import TrainConfig
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording


def with_splits(
    manifest: Manifest, config: TrainConfig, placed: Mapping[str, str] = MappingProxyType({})
) -> Manifest:
    """Assigns the splits that the data do not have.

    Data without splits are divided by group, stratified by label, with ``config.split_seed``. Data
    with a training and a test split but no validation get validation recordings from training.
    Without held-out validation, and for a refit, the validation recordings train too.

    Args:
        manifest: As read.
        config: Fractions and seed, and whether the validation recordings train.
        placed: Groups whose split is known; what is left is divided so that all of them together
            have the fractions.
    """
    divided = _divide(manifest, config, placed)
    if not config.trains_on_validation:
        return divided
    recordings = tuple(
        replace(one, split="train") if one.split == "validation" else one
        for one in divided.recordings
    )
    setting = "refit = true" if config.refit else "hold_out_validation = false"
    note = f"train.{setting}: the validation recordings train too"
    return replace(divided, recordings=recordings, notes=(*divided.notes, note))


def _divide(manifest: Manifest, config: TrainConfig, placed: Mapping[str, str]) -> Manifest:
    if not manifest.has_splits:
        validation, test = config.validation_fraction, config.test_fraction
        fractions = {"train": 1 - validation - test, "validation": validation, "test": test}
        note = f"split by group with split_seed {config.split_seed}"
    elif manifest.undivided:
        validation = config.validation_fraction
        fractions = {"train": 1 - validation, "validation": validation}
        note = f"no validation split: {validation:.0%} of training held out for it"
    else:
        return manifest
    chosen = assign_groups(manifest.undivided, fractions, config.split_seed, placed)
    recordings = tuple(
        replace(one, split=chosen.get(one.group, one.split)) for one in manifest.recordings
    )
    return replace(manifest, recordings=recordings, notes=(*manifest.notes, note))


def assign_groups(
    recordings: Sequence[Recording],
    fractions: Mapping[str, float],
    seed: int,
    placed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Assigns groups to splits or folds: the largest first, each to where its labels lack most.

    Args:
        recordings: What is divided.
        fractions: Name of a split or a fold to its fraction of the recordings.
        seed: Shuffles groups of equal size.
        placed: Groups that are assigned already.

    Returns:
        Group to split or fold.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in recordings:
        # Having no label counts as a label here.
        counts[one.group].update(one.labels or ("",))
    total: Counter[str] = sum(counts.values(), Counter())
    wanted = {
        split: {label: fraction * total[label] for label in total}
        for split, fraction in fractions.items()
    }
    missing = {split: dict(needs) for split, needs in wanted.items()}
    chosen = {
        group: split for group, split in placed.items() if group in counts and split in fractions
    }
    for group, split in chosen.items():
        for label, number in counts[group].items():
            missing[split][label] -= number
    groups = sorted(set(counts) - set(chosen))
    np.random.default_rng(seed).shuffle(groups)
    for group in sorted(groups, key=lambda name: -counts[name].total()):
        needs = {
            split: sum(
                number * missing[split][label] / wanted[split][label]
                for label, number in counts[group].items()
            )
            for split in fractions
        }
        # Ties go to the split named first, which is training.
        split = max(needs, key=lambda name: round(needs[name], 9))
        chosen[group] = split
        for label, number in counts[group].items():
            missing[split][label] -= number
    return chosen
