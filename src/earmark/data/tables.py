"""Manifest files: the rows of a CSV, JSON Lines or Parquet table, and the recordings they give."""

import csv
import difflib
import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio.source import WHOLE, Excerpt
from earmark.data.naming import NO_NAMING, Naming, read_names
from earmark.data.overlap import Files
from earmark.data.recording import SPLIT_NAMES, Recording, normalize
from earmark.errors import DataError, needs_extra
from earmark.system.numbers import parse_number

COLUMNS = ("path", "label", "split", "fold", "group", "start", "end")
STORED_COLUMNS = ("path", "name", "label", "split", "fold", "group", "start", "end", "key")
"""Columns of the ``recordings.csv`` in folders that earmark fills."""
_REQUIRED = ("path", "label")
_WHOLE_FLOATS = 2.0**53
_DELIMITERS = (";", "\t", "|")
_SYNONYMS = {
    **dict.fromkeys(("start_time", "start_seconds", "start_s", "t_start", "onset"), "start"),
    **dict.fromkeys(("begin", "begin_s", "begin_time", "begin_time_s", "start_time_s"), "start"),
    **dict.fromkeys(("end_time", "end_seconds", "end_s", "t_end", "offset"), "end"),
    **dict.fromkeys(("stop", "stop_s", "stop_time", "end_time_s"), "end"),
    **dict.fromkeys(("subset", "partition"), "split"),
}
"""Names that other programs give to columns of `COLUMNS`, in small letters, joined by ``_``."""


@dataclass(frozen=True)
class Row:
    """A row as text.

    Args:
        number: Its line in the file, or its position in a Parquet table, counted from 1.
        cells: Column to cell, without spaces around it; empty where the row has none.
    """

    number: int
    cells: Mapping[str, str]


_Numbered = list[tuple[int, dict[str, Any]]]


def read_table(path: Path, naming: Naming = NO_NAMING) -> tuple[list[Recording], dict[str, int]]:
    """Reads the recordings of a manifest file.

    Args:
        path: A CSV, JSON Lines or Parquet file.
        naming: Patterns that the paths in it are read with.

    Returns:
        The recordings in the order of the file, and the row of each by its name.

    Raises:
        DataError: The file cannot be read, or a row does not describe a recording of its own.
    """
    recordings = []
    files = Files()
    rows: dict[str, int] = {}
    seen: dict[tuple[Path, Excerpt], int] = {}
    for row in _with_names(path, _read_rows(path, naming), naming):
        one = _recording(path, row, files)
        first = seen.setdefault((files.real(one.path), one.excerpt), row.number)
        if first != row.number:
            raise DataError(
                f"{path}, rows {first} and {row.number}: {one.path} is listed twice; keep one row"
            )
        first = rows.setdefault(one.name, row.number)
        if first != row.number:
            raise DataError(
                f"{path}, rows {first} and {row.number}: both have the name {one.name}; "
                "rename a file"
            )
        recordings.append(one)
    _refuse_missing_labels(path, recordings, rows)
    return recordings, rows


def _with_names(path: Path, rows: list[Row], naming: Naming) -> list[Row]:
    """The rows, with the cells that the names of the files give."""
    for column in naming.columns:
        filled = next((row for row in rows if row.cells.get(column)), None)
        if filled:
            raise DataError(
                f"{path}, row {filled.number}: column {column} has a value, which {naming} would "
                "replace; leave out the pattern, or remove the column"
            )
    names = [row.cells.get("path", "").removeprefix("./") for row in rows]
    found = read_names(path, names, naming) if naming else [{} for _ in rows]
    return [Row(row.number, {**row.cells, **cells}) for row, cells in zip(rows, found, strict=True)]


def _refuse_missing_labels(
    source: Path, recordings: Sequence[Recording], rows: Mapping[str, int]
) -> None:
    """A recording may lack a label only where others have several; elsewhere it is a mistake."""
    empty = next((one for one in recordings if not one.labels), None)
    if empty and not any(len(one.labels) > 1 for one in recordings):
        raise DataError(f"{source}, row {rows[empty.name]}: label missing")


def _recording(source: Path, row: Row, files: Files) -> Recording:
    where = f"{source}, row {row.number}"
    cells = row.cells
    labels = {part.strip() for part in normalize(cells.get("label", "")).split(";")} - {""}
    if not cells.get("path"):
        raise DataError(f"{where}: {'path' if labels else 'path and label'} missing")
    split = cells.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise DataError(f"{where}: split {split!r} is not training, validation or testing")
    excerpt = _excerpt(cells, where)
    path = files.locate(source.parent, cells["path"], where)
    is_stored = tuple(cells) == STORED_COLUMNS
    named = cells["path"] + (f" {excerpt}" if excerpt != WHOLE else "")
    return Recording(
        path=path,
        name=cells["name"] if is_stored and cells["name"] else named,
        labels=tuple(sorted(labels)),
        group=normalize(cells.get("group", "")) or files.spelling(path, cells["path"]),
        split=SPLIT_NAMES.get(split),
        fold=cells.get("fold") or None,
        excerpt=excerpt,
        extra={key: value for key, value in cells.items() if key not in COLUMNS and not is_stored},
    )


def _excerpt(cells: Mapping[str, str], where: str) -> Excerpt:
    seconds: dict[str, float | None] = {"start": None, "end": None}
    for column in seconds:
        if text := cells.get(column):
            seconds[column] = number = parse_number(text)
            if number is None or number < 0:
                raise DataError(f"{where}: {column} {text!r} is not a number of seconds")
    excerpt = Excerpt(seconds["start"] or 0.0, seconds["end"])
    if excerpt.end is not None and excerpt.end <= excerpt.start:
        raise DataError(f"{where}: end {cells['end']} s is not after start {cells['start']} s")
    return excerpt


def _read_rows(path: Path, naming: Naming) -> list[Row]:
    """Reads a table; the columns of `COLUMNS` are found in any case of letters.

    Raises:
        DataError: The file cannot be read, a column that is needed is missing, or a row does not
            fit the columns.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        columns, rows = _read_parquet(path)
    elif suffix == ".csv":
        columns, rows = _read_csv(path)
    elif suffix in {".jsonl", ".ndjson"}:
        columns, rows = _read_json_lines(path)
    else:
        raise DataError(
            f"{path}: not a manifest; give a folder, or a .csv, .jsonl or .parquet file"
        )
    _check_columns(path, columns, naming)
    return [
        Row(
            number,
            {
                _column(key): _cell(value, f"{path}, row {number}, column {key}")
                for key, value in cells.items()
                if key
            },
        )
        for number, cells in rows
    ]


def _column(name: str) -> str:
    lowered = name.strip().lower()
    return lowered if lowered in COLUMNS else name.strip()


def _cell(value: Any, where: str) -> str:
    """The text of a value; the same for 1 and 1.0, and empty for null and NaN."""
    if isinstance(value, Mapping):
        raise DataError(f"{where}: an object; give a text, a number or a list of them")
    if isinstance(value, list):
        return ";".join(_cell(one, where) for one in value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_FLOATS:
        return str(int(value))
    return str(value).strip()


def _check_columns(path: Path, columns: Sequence[str], naming: Naming) -> None:
    known = Counter(map(_column, columns))
    twice = [name for name in COLUMNS if known[name] > 1]
    if twice:
        raise DataError(f"{path}: two columns have the name {twice[0]}; keep one")
    missing = [name for name in _REQUIRED if not known[name] and name not in naming.columns]
    if columns and missing:
        listed = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        wrong = [one for one in _DELIMITERS if one in listed]
        advice = f"write commas between cells, not {wrong[0]!r}" if wrong else "rename the columns"
        raise DataError(
            f"{path}: no column {' or '.join(missing)}; the columns are {listed}, and "
            f"{' and '.join(_REQUIRED)} are needed; {advice}"
        )
    _refuse_near_columns(path, columns, {name for name in COLUMNS if not known[name]})


def _refuse_near_columns(path: Path, columns: Sequence[str], absent: Collection[str]) -> None:
    """Checks that no column is nearly one of ours: it would be ignored without a word."""
    for column in columns:
        plain = "_".join(re.findall(r"[a-z0-9]+", column.lower()))
        close = difflib.get_close_matches(plain, absent, n=1, cutoff=0.85)
        meant = _SYNONYMS.get(plain) or next(iter(close), "")
        if meant in absent:
            raise DataError(
                f"{path}: unknown column {column!r} (did you mean {meant}?); rename it to {meant}, "
                "or to a name that is less alike"
            )


def _read_text(path: Path) -> str:
    try:
        # Without translation: a line feed or a carriage return may be part of a quoted file name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def _read_csv(path: Path) -> tuple[list[str], _Numbered]:
    # Strict, or a quote that is never closed swallows the rest of the file.
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    columns: list[str] = []
    rows: _Numbered = []
    number = 1
    try:
        for cells in reader:
            if cells and not columns:
                columns = cells
            elif cells:
                if any(map(str.strip, cells[len(columns) :])):
                    raise DataError(
                        f"{path}, row {number}: {len(cells)} cells for {len(columns)} columns; put "
                        "double quotes around a cell that holds a comma"
                    )
                rows.append((number, dict(zip(columns, cells, strict=False))))
            # A row may go over several lines and is named by its first.
            number = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, row {number}: cannot be read as CSV: {error}") from None
    return columns, rows


def _read_json_lines(path: Path) -> tuple[list[str], _Numbered]:
    rows: _Numbered = []
    for number, line in enumerate(re.split(r"\r\n?|\n", _read_text(path)), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError:
            cells = None
        if not isinstance(cells, dict):
            raise DataError(f"{path}, line {number}: not a JSON object")
        rows.append((number, cells))
    return list(dict.fromkeys(key for _, cells in rows for key in cells)), rows


def _read_parquet(path: Path) -> tuple[list[str], _Numbered]:
    with needs_extra("a Parquet manifest"):
        import pyarrow.parquet
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    return table.column_names, list(enumerate(table.to_pylist(), start=1))
