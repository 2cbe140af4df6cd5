"""Rows of a manifest file: CSV, JSON Lines or Parquet to text cells under known column names."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import DataError

COLUMNS = ("path", "label", "split", "fold", "group", "start", "end")
_REQUIRED = ("path", "label")
_DELIMITERS = (";", "\t", "|")


@dataclass(frozen=True)
class Row:
    """A row as text.

    Args:
        number: Its line in the file, or its place in a Parquet table, counted from 1.
        cells: Column to cell, without spaces around it; empty where the row has none.
    """

    number: int
    cells: Mapping[str, str]


_Numbered = list[tuple[int, dict[str, Any]]]


def read_rows(path: Path) -> list[Row]:
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
    _check_columns(path, columns)
    return [
        Row(number, {_column(key): _cell(value) for key, value in cells.items() if key})
        for number, cells in rows
    ]


def _column(name: str) -> str:
    lowered = name.strip().lower()
    return lowered if lowered in COLUMNS else name.strip()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return "" if value is None else str(value).strip()


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    known = Counter(map(_column, columns))
    twice = [name for name in COLUMNS if known[name] > 1]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]}; keep one")
    missing = [name for name in _REQUIRED if not known[name]]
    if columns and missing:
        listed = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        wrong = [mark for mark in _DELIMITERS if mark in listed]
        mend = f"write commas between cells, not {wrong[0]!r}" if wrong else "rename the columns"
        raise DataError(
            f"{path}: no column is called {' or '.join(missing)}; the columns are {listed}, and "
            f"{' and '.join(_REQUIRED)} are needed; {mend}"
        )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def _read_csv(path: Path) -> tuple[list[str], _Numbered]:
    # Strict, or a quote that is never closed swallows the rest of the file.
    reader = csv.reader(io.StringIO(_read_text(path)), strict=True)
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
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
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
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow; install it with: pip install 'earmark[parquet]'"
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    return table.column_names, list(enumerate(table.to_pylist(), start=1))
