"""Manifest files: the recordings of a CSV, JSON Lines or Parquet table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio.reading import has_sound_name
from earmark.audio.source import WHOLE, Excerpt
from earmark.data.names.naming import NO_NAMING, Naming, read_names
from earmark.data.names.spelling import Spellings
from earmark.data.overlap import Files
from earmark.data.recording import SPLIT_NAMES, SPLIT_TITLES, Recording
from earmark.data.tables.columns import COLUMNS, HIGH_HZ, LOW_HZ, STORED_COLUMNS
from earmark.data.tables.rows import Row, read_rows
from earmark.errors import DataError
from earmark.system.numbers import parse_number
from earmark.system.remote.urls import shown

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)", re.ASCII)


@dataclass(frozen=True)
class Table:
    """What a manifest file holds.

    Args:
        recordings: In the order of the file.
        rows: Name of a recording to its row.
        notes: What was assumed and what was not used.
    """

    recordings: list[Recording]
    rows: dict[str, int]
    notes: list[str]


def read_table(path: Path, naming: Naming = NO_NAMING, *, is_labelled: bool = True) -> Table:
    """Reads the recordings of a manifest file.

    Args:
        path: A CSV, JSON Lines or Parquet file.
        naming: Patterns that the paths in it are read with.
        is_labelled: Whether there must be labels; a queue of clips to label need not have any.

    Raises:
        DataError: The file cannot be read, or a row does not describe a recording of its own.
    """
    found, notes = read_rows(path, naming.columns if is_labelled else (*naming.columns, "label"))
    found = _with_names(path, found, naming)
    files, spellings = Files(), Spellings()
    shared: dict[Any, Any] = {}
    recordings = [_recording(path, row, files, spellings, shared) for row in found]
    numbers = [row.number for row in found]
    _refuse_twice(path, recordings, numbers, files)
    rows: dict[str, int] = {}
    for one, number in zip(recordings, numbers, strict=True):
        if rows.setdefault(one.name, number) != number:
            raise DataError(
                f"{path}, rows {rows[one.name]} and {number}: both have the name {one.name}; "
                "rename a file"
            )
    if is_labelled:
        _refuse_missing_labels(path, recordings, rows)
    return Table(recordings, rows, [*notes, *spellings.notes()])


def _with_names(path: Path, rows: list[Row], naming: Naming) -> list[Row]:
    """The rows, with the cells that the names of the files give."""
    for column in naming.columns:
        filled = next((row for row in rows if row.cells.get(column)), None)
        if filled:
            raise DataError(
                f"{path}, row {filled.number}: column {column} has a value, which {naming} would "
                "replace; leave out the pattern, or remove the column"
            )
    names = [shown(row.cells.get("path", "")).removeprefix("./") for row in rows]
    found = read_names(path, names, naming) if naming else [{} for _ in rows]
    return [Row(row.number, {**row.cells, **cells}) for row, cells in zip(rows, found, strict=True)]


def _refuse_twice(
    source: Path, recordings: Sequence[Recording], numbers: Sequence[int], files: Files
) -> None:
    """Checks that no file, or excerpt of one, is listed twice."""
    seen: dict[tuple[str, Excerpt], int] = {}
    twice = []
    for index, one in enumerate(recordings):
        first = seen.setdefault((files.real(one.path), one.excerpt), index)
        if first != index:
            twice.append((first, index))
    if not twice:
        return
    first, second = twice[0]
    one, other = recordings[first], recordings[second]
    if one.split != other.split:
        splits = (SPLIT_TITLES.get(each.split or "", "no split") for each in (one, other))
        advice = f", in different splits ({' and '.join(splits)}); keep one row"
    elif one.labels == other.labels:
        advice = "; keep one row"
    else:
        cell = ";".join(dict.fromkeys((*one.labels, *other.labels)))
        advice = (
            f", with different labels; write all of them in one cell, {cell!a}, and keep one row"
        )
    more = f" ({len(twice) - 1} more such rows)" if len(twice) > 1 else ""
    raise DataError(
        f"{source}, rows {numbers[first]} and {numbers[second]}: {one.path} is listed twice"
        f"{advice}{more}"
    )


def _refuse_missing_labels(
    source: Path, recordings: Sequence[Recording], rows: Mapping[str, int]
) -> None:
    """A recording may lack a label only where others have several; elsewhere it is a mistake."""
    empty = next((one for one in recordings if not one.labels), None)
    if empty and not any(len(one.labels) > 1 for one in recordings):
        raise DataError(f"{source}, row {rows[empty.name]}: label missing")


def _recording(
    source: Path, row: Row, files: Files, spellings: Spellings, shared: dict[Any, Any]
) -> Recording:
    """The recording of a row; equal labels and equal other cells are kept once."""
    where = f"{source}, row {row.number}"
    cells = row.cells
    labels = spellings.read_labels(cells.get("label", ""), where)
    if not cells.get("path"):
        raise DataError(f"{where}: {'path' if labels else 'path and label'} missing")
    split = cells.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise DataError(f"{where}: split {split!r} is not training, validation or testing")
    excerpt = _excerpt(cells, where)
    _check_limits(cells, where)
    path = files.locate(source.parent, cells["path"], where)
    is_stored = tuple(cells) == STORED_COLUMNS
    own_labels = tuple(sorted(labels))
    extra = {key: value for key, value in cells.items() if key not in COLUMNS and not is_stored}
    text = shown(cells["path"])
    named = text + (f" {excerpt}" if excerpt != WHOLE else "")
    return Recording(
        path=path,
        name=cells["name"] if is_stored and cells["name"] else named,
        labels=shared.setdefault(("labels", own_labels), own_labels),
        group=_group(cells, where, spellings) or files.spelling(path, text),
        split=SPLIT_NAMES.get(split),
        fold=_fold(spellings.read(cells.get("fold", ""), "fold", where)),
        excerpt=excerpt,
        extra=shared.setdefault(("extra", *extra.items()), extra),
    )


def _group(cells: Mapping[str, str], where: str, spellings: Spellings) -> str:
    """The group of a row; one that is a file is as exact as the name of the file."""
    group = cells.get("group", "")
    return group if has_sound_name(Path(group)) else spellings.read(group, "group", where)


def _fold(name: str) -> str | None:
    """The name of a fold; the same for 1, 1.0 and 01."""
    number = parse_number(name)
    return str(int(number)) if number is not None and number.is_integer() else name or None


def _excerpt(cells: Mapping[str, str], where: str) -> Excerpt:
    seconds: dict[str, float | None] = {"start": None, "end": None}
    for column in seconds:
        if text := cells.get(column):
            seconds[column] = number = parse_number(text)
            if number is None or number < 0:
                hint = seconds_hint(text, number)
                raise DataError(f"{where}: {column} {text!r} is not a number of seconds{hint}")
    excerpt = Excerpt(seconds["start"] or 0.0, seconds["end"])
    if excerpt.end is not None and excerpt.end <= excerpt.start:
        raise DataError(f"{where}: end {cells['end']} s is not after start {cells['start']} s")
    return excerpt


def _check_limits(cells: Mapping[str, str], where: str) -> None:
    """Checks that the frequency limits of a row are numbers in order."""
    limits = []
    for column in (LOW_HZ, HIGH_HZ):
        if text := cells.get(column):
            number = parse_number(text)
            if number is None or number < 0:
                raise DataError(
                    f"{where}: {column} {text!r} is not a frequency in hertz; correct it"
                )
            limits.append(number)
    if len(limits) == 2 and limits[0] >= limits[1]:
        raise DataError(f"{where}: {LOW_HZ} is not below {HIGH_HZ}; swap or correct them")


def seconds_hint(text: str, number: float | None) -> str:
    """What to write instead of a text that is no number of seconds.

    Args:
        text: The text.
        number: What it says, if it is a negative number.

    Example:
        >>> seconds_hint("1,5", None), seconds_hint("1:02", None)
        ('; write a point, 1.5', '; write seconds, 62')
    """
    if number is not None:
        return ", as it is negative; 0 is the start of the file"
    if (point := parse_number(text.replace(",", "."))) is not None:
        return f"; write a point, {point:.9g}"
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in clock.groups())
        return f"; write seconds, {3600 * hours + 60 * minutes + rest:.9g}"
    return "; write one such as 1.5"
