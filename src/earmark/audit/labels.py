"""How labels are shared out, and what training would not do with them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from earmark.audit.findings import Finding
from earmark.audit.signal import SignalStats
from earmark.data.labels import labels_short_of_groups
from earmark.data.manifest import SPLITS, Manifest

_Place = tuple[str, str | None]
"""Label and split."""
UNBALANCED_RATIO = 4.0
"""From this many recordings of one label for each of another on, there is a note."""


def label_rows(manifest: Manifest, heard: Mapping[str, SignalStats]) -> list[dict[str, Any]]:
    """Clips, groups and seconds of each label in each split.

    Args:
        manifest: The data.
        heard: What could be read, by name.
    """
    numbers: dict[_Place, int] = defaultdict(int)
    seconds: dict[_Place, float] = defaultdict(float)
    groups: dict[_Place, set[str]] = defaultdict(set)
    for one in manifest.recordings:
        for place in ((label, one.split) for label in one.labels):
            numbers[place] += 1
            groups[place].add(one.group)
            if one.name in heard:
                seconds[place] += heard[one.name].duration_seconds
    return [
        {
            "label": label,
            "split": split,
            "num_clips": numbers[label, split],
            "num_groups": len(groups[label, split]),
            "duration_seconds": round(seconds[label, split], 3),
        }
        for label in manifest.labels
        for split in (SPLITS if manifest.has_splits else (None,))
    ]


def label_findings(manifest: Manifest) -> Iterator[Finding]:
    """Labels that cannot be learnt or tested as the data are, and labels that outnumber others.

    Args:
        manifest: The data.
    """
    if len(manifest.labels) == 1:
        message = f"{manifest.labels[0]} is the only label; at least two are needed to tell apart"
        yield Finding("missing_label", "warning", (), message)
    yield from _missing(manifest) if manifest.has_splits else _few_groups(manifest)
    counts = Counter(label for one in manifest.recordings for label in one.labels)
    ordered = counts.most_common()
    if ordered and ordered[0][1] >= UNBALANCED_RATIO * ordered[-1][1]:
        (most, many), (least, few) = ordered[0], ordered[-1]
        message = (
            f"labels are unbalanced, {many} recordings of {most} and {few} of {least}; "
            "train.balance can make them count the same"
        )
        yield Finding("unbalanced", "note", (), message)


def _missing(manifest: Manifest) -> Iterator[Finding]:
    """Labels that a split which is there lacks."""
    for split in SPLITS:
        present = {label for one in manifest.split(split) for label in one.labels}
        if present:
            for label in sorted(set(manifest.labels) - present):
                message = f"{label} is missing from {split}; move recordings of it there"
                yield Finding("missing_label", "warning", (), message)


def _few_groups(manifest: Manifest) -> Iterator[Finding]:
    """Labels that would be missing from a split, since each split needs a group of its own."""
    for label, count in labels_short_of_groups(manifest).items():
        message = (
            f"{label} has {count} of the {len(SPLITS)} groups that its splits need at least; add "
            "recordings of it from elsewhere"
        )
        yield Finding("few_groups", "warning", (), message)
