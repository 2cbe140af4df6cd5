"""The annotations of a recording, from one label file or several, checked against each other."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from earmark.labelling.imports.annotations import Annotation, LabelFile
from earmark.labelling.imports.excerpts import ExcerptOptions

_OVERLAP_SECONDS = 0.002
"""Overlaps of two labels up to this come from rounding."""
_LENGTH_SECONDS = 0.5
"""A label file may differ this much from the length of its recording."""


class Placed(NamedTuple):
    """Annotations of a recording from a label file."""

    label_file: Path
    found: LabelFile
    annotations: tuple[Annotation, ...]


class _Located(NamedTuple):
    label_file: Path
    annotation: Annotation

    def __str__(self) -> str:
        return f"{self.label_file}, {self.annotation.where}"


@dataclass(frozen=True)
class Checked:
    """The annotations of a recording.

    Args:
        annotations: Sorted by their start; equal ones once.
        problems: The label file and what is wrong in it, a line each.
        facts: The group, split and fold of the recording.
    """

    annotations: tuple[Annotation, ...]
    problems: tuple[tuple[Path, str], ...]
    facts: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether the labels are those of the whole recording."""
        return any(one.end is None for one in self.annotations)


def check_recording(
    path: Path, placed: Sequence[Placed], seconds: float, options: ExcerptOptions
) -> Checked:
    """Checks that annotations are within their recording, and do not contradict each other.

    Args:
        path: The recording.
        placed: Its annotations, by label file.
        seconds: Its length.
        options: Whether labels may overlap.
    """
    problems: list[tuple[Path, str]] = []
    kept: dict[tuple[object, ...], _Located] = {}
    for one in placed:
        if why := _other_length(one.found.duration, seconds):
            problems.append((one.label_file, f"{one.label_file}: {why} ({path})"))
        for annotation in one.annotations:
            located = _Located(one.label_file, annotation)
            if why := _beyond(annotation, seconds, one.found.overhang_seconds):
                problems.append((one.label_file, f"{located}: {why} ({path})"))
                continue
            inside = _inside(annotation, seconds, one.found.overhang_seconds)
            key = (inside.start, inside.end, inside.label)
            kept[key] = _better(kept.get(key), _Located(one.label_file, inside))
    located = sorted(kept.values(), key=lambda one: (one.annotation.start, one.annotation.label))
    problems += _contradictions(located, options)
    facts, clashes = _facts(located)
    return Checked(tuple(one.annotation for one in located), (*problems, *clashes), facts)


def _other_length(declared: float | None, seconds: float) -> str:
    """Why a label file is probably about another recording; empty if it is not."""
    if declared is None or abs(declared - seconds) <= _LENGTH_SECONDS:
        return ""
    return f"it covers {declared:g} s, but the recording lasts {seconds:g} s; give --audio"


def _beyond(one: Annotation, seconds: float, overhang: float) -> str:
    """Why an annotation is not within its recording; empty if it is."""
    end = one.start if one.end is None else one.end
    if one.seconds and one.start >= seconds:
        return f"start {one.start:g} s is after the end of the recording, {seconds:g} s"
    if end > seconds + overhang:
        return f"end {end:g} s is after the end of the recording, {seconds:g} s; correct the times"
    return ""


def _inside(one: Annotation, seconds: float, overhang: float) -> Annotation:
    """An annotation that ends with its recording, if windows of its program go beyond that."""
    is_padded = one.end is not None and one.end > seconds and overhang > _LENGTH_SECONDS
    return replace(one, end=seconds) if is_padded else one


def _better(first: _Located | None, second: _Located) -> _Located:
    """Of two equal annotations the one that has frequency limits, else the first."""
    if first is None or (first.annotation.limits == (None, None) != second.annotation.limits):
        return second
    return first


def _contradictions(
    located: Sequence[_Located], options: ExcerptOptions
) -> Iterator[tuple[Path, str]]:
    """Labels of the whole recording beside others, and overlaps if only one label is allowed."""
    whole = [one for one in located if one.annotation.end is None]
    if whole and len(located) > len(whole):
        yield (
            whole[0].label_file,
            f"{whole[0]}: a label of the whole recording beside others with times; remove one kind",
        )
        return
    if options.multi_label:
        return
    if len(whole) > 1:
        labels = " and ".join(one.annotation.label for one in whole[:2])
        yield whole[0].label_file, f"{whole[0]}: {labels}; keep one label, or give --multi-label"
        return
    latest: _Located | None = None
    for one in located:
        if latest and _differs(latest.annotation, one.annotation):
            yield latest.label_file, _overlapping(latest, one)
        if latest is None or _end(one.annotation) >= _end(latest.annotation):
            latest = one


def _differs(one: Annotation, other: Annotation) -> bool:
    """Whether the labels differ in sound that both have."""
    seconds = min(_end(one), _end(other)) - max(one.start, other.start)
    return one.label != other.label and seconds > _OVERLAP_SECONDS


def _overlapping(first: _Located, second: _Located) -> str:
    one, other = first.annotation, second.annotation
    end = min(_end(one), _end(other))
    where = other.where if first.label_file == second.label_file else str(second)
    return (
        f"{first} and {where}: {one.label} and {other.label} overlap from {other.start:g} to "
        f"{end:g} s; correct the times, or give --multi-label"
    )


def _end(one: Annotation) -> float:
    return one.start if one.end is None else one.end


def _facts(located: Sequence[_Located]) -> tuple[dict[str, str], list[tuple[Path, str]]]:
    """The group, split and fold, which all annotations must agree on."""
    found: dict[str, dict[str, _Located]] = defaultdict(dict)
    for one in located:
        for key, value in one.annotation.facts.items():
            found[key].setdefault(value, one)
    clashes = [
        (one.label_file, f"{one}: {key} {value!r} and another of the same recording; correct one")
        for key, values in found.items()
        for value, one in list(values.items())[1:2]
    ]
    return {key: next(iter(values)) for key, values in found.items()}, clashes
