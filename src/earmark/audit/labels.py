"""The distribution of labels, and labels that training would refuse."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from earmark.audit.findings import Finding
from earmark.data.labels import labels_short_of_groups
from earmark.data.manifest import Manifest
from earmark.data.names.doubtful import doubtful_names
from earmark.data.names.guesses import guess_naming
from earmark.data.recording import SPLITS
from earmark.data.signals.signal import SignalStats

UNBALANCED_RATIO = 4.0
"""Ratio of the most to the least frequent label from which there is a note."""

_LabelAndSplit = tuple[str, str | None]


def label_rows(manifest: Manifest, stats: Mapping[str, SignalStats]) -> list[dict[str, Any]]:
    """Clips, groups and seconds of each label in each split.

    Args:
        manifest: The data.
        stats: Statistics of the recordings that could be read, by name.
    """
    counts: dict[_LabelAndSplit, int] = defaultdict(int)
    seconds: dict[_LabelAndSplit, float] = defaultdict(float)
    groups: dict[_LabelAndSplit, set[str]] = defaultdict(set)
    for one in manifest.recordings:
        for key in ((label, one.split) for label in one.labels):
            counts[key] += 1
            groups[key].add(one.group)
            if one.name in stats:
                seconds[key] += stats[one.name].duration_seconds
    return [
        {
            "label": label,
            "split": split,
            "num_clips": counts[label, split],
            "num_groups": len(groups[label, split]),
            "duration_seconds": round(seconds[label, split], 3),
        }
        for label in manifest.labels
        for split in (SPLITS if manifest.has_splits else (None,))
    ]


def label_findings(manifest: Manifest) -> Iterator[Finding]:
    """Doubtful names, labels that these data cannot train or test, and unbalanced labels.

    Args:
        manifest: The data.
    """
    for one in doubtful_names(manifest):
        yield Finding(one.kind, "warning", one.recordings, one.message)
    if len(manifest.labels) == 1:
        message = f"{manifest.labels[0]} is the only label; a classifier needs at least two"
        guess = guess_naming([one.name for one in manifest.recordings])
        if guess and manifest.source.is_dir() and not manifest.naming:
            message += f"; {guess}"
        yield Finding("missing_label", "warning", (), message)
    yield from _missing(manifest) if manifest.has_splits else _few_groups(manifest)
    counts = Counter(label for one in manifest.recordings for label in one.labels)
    ordered = counts.most_common()
    if ordered and ordered[0][1] >= UNBALANCED_RATIO * ordered[-1][1]:
        (most, num_most), (least, num_least) = ordered[0], ordered[-1]
        message = (
            f"labels are unbalanced: {num_most} recordings of {most}, {num_least} of {least}; "
            "train.balance can give them equal weight"
        )
        yield Finding("unbalanced", "note", (), message)


def _missing(manifest: Manifest) -> Iterator[Finding]:
    """Labels without recordings in a split that has recordings."""
    for split in SPLITS:
        present = {label for one in manifest.split(split) for label in one.labels}
        if present:
            for label in sorted(set(manifest.labels) - present):
                message = f"{label} has no recordings in {split}; move some there"
                yield Finding("missing_label", "warning", (), message)


def _few_groups(manifest: Manifest) -> Iterator[Finding]:
    """Labels with fewer groups than splits, as each split needs a group of its own."""
    for label, count in labels_short_of_groups(manifest).items():
        message = (
            f"{label} has {count} of at least {len(SPLITS)} groups, one per split; add recordings "
            "of it from other groups"
        )
        yield Finding("few_groups", "warning", (), message)
