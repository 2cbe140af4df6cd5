"""The rows of CSV, JSON Lines and Parquet files, as text."""

import codecs
import csv
import io
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from earmark.data.tables.columns import COLUMNS, check_columns, other_columns, own_name
from earmark.errors import DataError, needs_extra
from earmark.system.remote.path import RemotePath

_WHOLE_FLOATS = 2.0**53
_SAVE_AS = {
    ".json": "write one JSON object per line and name it .jsonl",
    ".tsv": "save it with commas between cells, as .csv",
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "save the sheet as CSV UTF-8"),
}
_UNICODE = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, the longer of two that start alike first."""


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


def read_rows(path: Path, named: Collection[str] = ()) -> tuple[list[Row], list[str]]:
    """Reads a table; the columns of `COLUMNS` are found in any case of letters.

    Args:
        path: A CSV, JSON Lines or Parquet file.
        named: Columns that the names of the files give.

    Returns:
        The rows, and notes on columns that are not ours.

    Raises:
        DataError: The file cannot be read, a column that is needed is missing or has nearly the
            right name, or a row does not fit the columns.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        columns, numbered = _read_parquet(path)
    elif suffix == ".csv":
        columns, numbered = _read_csv(path)
    elif suffix in {".jsonl", ".ndjson"}:
        columns, numbered = _read_json_lines(path)
    else:
        advice = _SAVE_AS.get(suffix, "give a folder, or a .csv, .jsonl or .parquet file")
        raise DataError(f"{path}: not a manifest; {advice}")
    rows = [
        Row(
            number,
            {
                own_name(key): _cell(key, value, f"{path}, row {number}")
                for key, value in cells.items()
                if key
            },
        )
        for number, cells in numbered
    ]
    check_columns(path, columns, [row.cells for row in rows], named)
    return rows, other_columns(columns)


def _cell(column: str, value: Any, where: str) -> str:
    """The text of a value; a column that is not ours may hold anything, which is left out."""
    if own_name(column) in COLUMNS:
        return _text(value, f"{where}, column {column}")
    return "" if isinstance(value, Mapping | list | tuple | bytes) else _text(value, where)


def _text(value: Any, where: str) -> str:
    """The text of a value; the same for 1 and 1.0, and empty for null and NaN."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping | tuple):
        raise DataError(f"{where}: an object; give a text, a number or a list of them")
    if isinstance(value, bytes):
        try:
            return value.decode().strip()
        except UnicodeDecodeError:
            raise DataError(f"{where}: bytes that are not UTF-8; give a text") from None
    if isinstance(value, list):
        return ";".join(_text(one, where) for one in value)
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, float | Decimal) and abs(value) < _WHOLE_FLOATS and value == int(value):
        return str(int(value))
    return str(value.normalize() if isinstance(value, Decimal) else value).strip()


def read_unicode(path: Path) -> str:
    """The text of a file in UTF-8, or in what its byte order mark names.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    encoding = next((name for mark, name in _UNICODE.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 text (byte {data[error.start]:#04x}); save the file "
            "as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    if "\0" in text[:2] and encoding == "utf-8":
        raise DataError(f"{path}: UTF-16 without a byte order mark; save the file as UTF-8")
    # Line ends of early Apple computers, which nothing else in the file can be.
    return text if "\n" in text else text.replace("\r", "\n")


def _read_csv(path: Path) -> tuple[list[str], _Numbered]:
    # Strict, or a quote that is never closed swallows the rest of the file.
    reader = csv.reader(io.StringIO(read_unicode(path), newline=""), strict=True)
    columns: list[str] = []
    rows: _Numbered = []
    number = 1
    try:
        for cells in reader:
            if cells and not columns:
                # Excel's hint, which is no row.
                columns = [] if number == 1 and cells == ["sep=", ""] else cells
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
    for number, line in enumerate(read_unicode(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line, object_pairs_hook=_object)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
        except (ValueError, RecursionError):
            cells = None
        if not isinstance(cells, dict):
            found = "a JSON array" if line.lstrip().startswith("[") else "not a JSON object"
            raise DataError(
                f"{path}, line {number}: {found}; write one object per line, such as "
                '{"path": "a.wav", "label": "dog"}'
            )
        rows.append((number, cells))
    return list(dict.fromkeys(key for _, cells in rows for key in cells)), rows


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        name = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise DataError(f"{name!r} is there twice; several labels are a list")
    return cells


def _read_parquet(path: Path) -> tuple[list[str], _Numbered]:
    with needs_extra("a Parquet manifest"):
        import pyarrow.parquet
    try:
        # A remote file is read by us, so that its secrets stay here.
        source = io.BytesIO(path.read_bytes()) if isinstance(path, RemotePath) else path
        table = pyarrow.parquet.read_table(source)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    return table.column_names, list(enumerate(table.to_pylist(), start=1))
