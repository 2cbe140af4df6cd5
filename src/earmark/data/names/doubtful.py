"""Names of labels, groups and folds that are probably mistakes."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.data.manifest import Manifest
from earmark.data.names.spelling import similar_names

_EMPTY = {"nan", "NaN", "NAN", "None", "NULL", "null", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaT"}
"""What programs write for a value that is missing; ``none`` may be a label of its own."""
_JOINTS = re.compile(r"\s*[,|/+&]\s*|\s+and\s+")


@dataclass(frozen=True)
class DoubtfulName:
    """A name, or several, that are probably a mistake.

    Args:
        kind: Which mistake.
        message: What is wrong and how to fix it.
        recordings: The recordings to correct.
    """

    kind: Literal["similar_names", "missing_value", "joined_labels"]
    message: str
    recordings: tuple[str, ...]


def doubtful_names(manifest: Manifest) -> Iterator[DoubtfulName]:
    """Labels, groups and folds that nearly have one name; values that are missing; joined labels.

    Args:
        manifest: The data.

    Example:
        >>> from pathlib import Path
        >>> from earmark.data.recording import Recording
        >>> labels = "Dog", "dog"
        >>> data = tuple(Recording(Path(one), one, (one,), group=one) for one in labels)
        >>> [one.kind for one in doubtful_names(Manifest(Path("a.csv"), data, labels))]
        ['similar_names']
    """
    for column, named in _names(manifest).items():
        yield from _similar(column, named)
        yield from _missing(column, named)
    yield from _joined(_names(manifest)["label"])


_Named = Mapping[str, Sequence[str]]
"""Name to the recordings that have it."""


def _names(manifest: Manifest) -> dict[str, _Named]:
    found: dict[str, dict[str, list[str]]] = {
        column: defaultdict(list) for column in ("label", "group", "fold")
    }
    for one in manifest.recordings:
        for label in one.labels:
            found["label"][label].append(one.name)
        if one.group != one.name:
            found["group"][one.group].append(one.name)
        if one.fold:
            found["fold"][one.fold].append(one.name)
    return dict(found)


def _similar(column: str, named: _Named) -> Iterator[DoubtfulName]:
    for names in similar_names(named):
        usual = max(names, key=lambda name: len(named[name]))
        # Names that look the same are told apart by their codes.
        show = repr if len({name.casefold() for name in names}) == 1 else ascii
        listed = ", ".join(f"{show(name)} ({_count(named[name])})" for name in names)
        yield DoubtfulName(
            "similar_names",
            f"the {column}s {listed} are nearly equal; if one {column} is meant, write it alike",
            tuple(one for name in names if name != usual for one in named[name]),
        )


def _missing(column: str, named: _Named) -> Iterator[DoubtfulName]:
    for name in sorted(_EMPTY & named.keys()):
        yield DoubtfulName(
            "missing_value",
            f"{name!r} is taken for the name of a {column} ({_count(named[name])}); if it is a "
            "missing value, leave the cell empty",
            tuple(named[name]),
        )


def _joined(labels: _Named) -> Iterator[DoubtfulName]:
    for label in labels:
        parts = [part.strip("[]()'\" ") for part in _JOINTS.split(label)]
        if len(parts) > 1 and all(part in labels for part in parts):
            yield DoubtfulName(
                "joined_labels",
                f"{label!r} is one label ({_count(labels[label])}); if several are meant, write "
                f"{';'.join(parts)!r}",
                tuple(labels[label]),
            )


def _count(recordings: Sequence[str]) -> str:
    return f"{len(recordings)} recording{'' if len(recordings) == 1 else 's'}"
