"""Annotations: labels with a start and an end, as a label file has them, and its problems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from earmark.data.names.spelling import Spellings
from earmark.data.recording import SPLIT_NAMES
from earmark.data.tables.table import seconds_hint
from earmark.errors import DataError
from earmark.system.numbers import parse_number

TIME_DECIMALS = 6
"""Of sums of times, so that 0.1 + 0.2 is 0.3."""


@dataclass(frozen=True)
class Entry:
    """An annotation as a file spells it.

    Args:
        where: Its place in the file, for messages.
        start: In seconds.
        end: In seconds; empty if the duration gives it, or if the label is that of the recording.
        label: The label.
        duration: In seconds; empty if the end gives it.
        recording: The sound file that it names; empty if the label file is about one.
        file_start: Start in the recording, if the times count from the first of several recordings.
        low: Lower frequency limit, in hertz; empty without one.
        high: Upper frequency limit, in hertz.
        probability: Of the label.
        facts: What else is known of the recording: its group, split and fold.
    """

    where: str
    start: str
    end: str
    label: str
    duration: str = ""
    recording: str = ""
    file_start: str = ""
    low: str = ""
    high: str = ""
    probability: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """A label with a start and an end.

    Args:
        start: In seconds.
        end: In seconds, equal to the start for an instant; None if the label is that of the whole
            recording.
        label: The label.
        where: Its place in the label file, for messages.
        recording: The sound file that it names; empty if the label file is about one.
        limits: Lower and upper frequency limit, in hertz, None without one.
        probability: Of the label; None if not given.
        facts: What else is known of the recording: its group, split and fold.
    """

    start: float
    end: float | None
    label: str
    where: str
    recording: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    probability: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def seconds(self) -> float:
        """Its length; 0 for an instant and for a whole recording."""
        return 0.0 if self.end is None else self.end - self.start


class Problem(NamedTuple):
    """What is wrong in a label file.

    Args:
        where: The place.
        why: What is wrong and how to fix it.
        recording: The only recording that is affected; empty if all of the file are.
    """

    where: str
    why: str
    recording: str = ""


@dataclass(frozen=True)
class ReadOptions:
    """What readers are told.

    Args:
        columns: What a column of a table holds, to its name.
        tiers: The tiers to read; all if empty.
        multi_label: Whether ``;`` in a label separates several.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    tiers: tuple[str, ...] = ()
    multi_label: bool = False

    def wants(self, tier: str) -> bool:
        """Whether a tier is read."""
        return not self.tiers or tier in self.tiers


@dataclass
class LabelFile:
    """What a label file holds; readers fill it.

    Args:
        options: What the reader was told.
        annotations: In the order of the file.
        problems: What is wrong, in the order of the file.
        notes: What was left out on purpose.
        media: The names that the file has for its recording, the best first.
        duration: The length of the recording as the file gives it, in seconds.
        tiers: The names of all tiers, whether read or not.
        is_manifest: Whether it is a manifest, such as a former import wrote.
        is_known: Whether the file is in a format of labels.
        overhang_seconds: How far an annotation may go on beyond the end of the recording.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    annotations: list[Annotation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    duration: float | None = None
    tiers: list[str] = field(default_factory=list)
    is_manifest: bool = False
    is_known: bool = True
    overhang_seconds: float = 0.05

    def fail(self, where: str, why: str, recording: str = "") -> None:
        """Adds a problem."""
        self.problems.append(Problem(where, why, recording))

    def add(self, entry: Entry, *, allows_instants: bool = False) -> None:
        """Adds an annotation, or the problem that it has.

        Args:
            entry: As the file spells it.
            allows_instants: Whether its end may be its start.
        """
        try:
            self.annotations += _parse(entry, self.options, allows_instants)
        except DataError as error:
            self.fail(entry.where, str(error), entry.recording)


def _parse(entry: Entry, options: ReadOptions, allows_instants: bool) -> Iterable[Annotation]:
    labels = _labels(entry, options)
    start, end = _times(entry, allows_instants)
    low, high = (_number(text, "frequency", "hertz") for text in (entry.low, entry.high))
    if low is not None and high is not None and low >= high:
        raise DataError(
            f"the frequency limits {entry.low} and {entry.high} are reversed or equal; swap or "
            "correct them"
        )
    facts = _facts(entry)
    probability = _number(entry.probability, "probability", "0 to 1")
    if probability is not None and probability > 1:
        raise DataError(f"probability {entry.probability} is above 1; correct it")
    return [
        Annotation(
            *(start, end, label, entry.where, entry.recording),
            limits=(low, high),
            probability=probability,
            facts=facts,
        )
        for label in labels
    ]


def _facts(entry: Entry) -> dict[str, str]:
    names = Spellings()
    facts = {key: names.read(value, key, "the recording") for key, value in entry.facts.items()}
    split = facts.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise DataError(f"split {split!r} is not training, validation or testing; correct it")
    return facts | ({"split": SPLIT_NAMES[split]} if split else {})


def _labels(entry: Entry, options: ReadOptions) -> list[str]:
    names = Spellings()
    if ";" in entry.label and not options.multi_label:
        raise DataError(
            f"the label {entry.label!r} holds ';', which separates labels; write another "
            "character, or give --multi-label if several are meant"
        )
    try:
        labels = sorted(names.read_labels(entry.label, ""))
    except DataError:
        raise DataError(f"the label {entry.label!a} holds a control character; remove it") from None
    if not labels:
        raise DataError("no label; write one, or delete the annotation")
    return labels


def _times(entry: Entry, allows_instants: bool) -> tuple[float, float | None]:
    if not (entry.start or entry.end or entry.duration):
        return 0.0, None
    start, end = _seconds(entry.start, "start"), _seconds(entry.end or entry.start, "end")
    if entry.duration and not entry.end:
        end = round(start + _seconds(entry.duration, "duration"), TIME_DECIMALS)
    if end < start:
        raise DataError(f"end {end:g} s is before start {start:g} s; swap or correct them")
    if end == start and not allows_instants:
        raise DataError(
            f"start and end are both {start:g} s; correct one, or delete the annotation"
        )
    if entry.file_start:
        offset = _seconds(entry.file_start, "start in the file")
        return offset, round(offset + end - start, TIME_DECIMALS)
    return start, end


def _seconds(text: str, what: str) -> float:
    number = parse_number(text)
    if number is None or number < 0:
        hint = seconds_hint(text, number)
        raise DataError(f"{what} {text!r} is not a number of seconds{hint}")
    return number


def _number(text: str, what: str, unit: str) -> float | None:
    """An optional number of 0 or more."""
    if not text:
        return None
    number = parse_number(text)
    if number is None or number < 0:
        raise DataError(f"{what} {text!r} is not a number ({unit}){_point(text)}")
    return number


def _point(text: str) -> str:
    number = parse_number(text.replace(",", "."))
    return "" if number is None or number < 0 else f"; write a point, {number:g}"
