"""Tables of results, one row per file: CSV, JSON Lines and Parquet, processed row by row."""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from earmark.errors import ConfigError, DataError, needs_extra
from earmark.system.files import csv_lines

BATCH_ROWS = 1000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ResultFormat:
    """A file format for tables of results.

    Args:
        to_row: Converts a result, as ``predict --json`` prints it, to a row.
        write: Writes rows; the labels set the columns.
        read: Reads what ``write`` wrote; raises `DataError` for anything else.
        holds_segments: Whether rows can hold segments.
    """

    to_row: Callable[[Row, Sequence[str]], Row]
    write: Callable[[BinaryIO, Iterable[Row], Sequence[str]], None]
    read: Callable[[Path, Sequence[str]], Iterator[Row]]
    holds_segments: bool = True


def result_format(path: Path) -> ResultFormat:
    """The format for the extension of a file name.

    Raises:
        ConfigError: The extension is unknown.
        MissingExtraError: The format needs a package that is missing.
    """
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        raise ConfigError(f"{path}: unknown format for results; use one of {', '.join(_FORMATS)}")
    if found is _FORMATS[".parquet"]:
        with needs_extra(str(path)):
            import pyarrow.parquet  # noqa: F401
    return found


def result_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The columns of a CSV table; a Parquet table also has ``segments``."""
    probabilities = (f"probability_{plain_name(label)}" for label in labels)
    return ("path", "label", "abstained", "novelty", *probabilities, "duration_seconds", "error")


def plain_name(name: str) -> str:
    """A file name or label as valid Unicode; bytes that are not UTF-8 become escapes."""
    return name.encode(errors="backslashreplace").decode()


def _flat(result: Row, labels: Sequence[str]) -> dict[str, Any]:
    """A result as cells; several labels are joined by semicolons, as in a manifest."""
    probabilities = result.get("probabilities", {})
    label = ";".join(result["labels"]) if "labels" in result else result.get("label")
    return {
        "path": plain_name(result["path"]),
        "label": None if label is None else plain_name(label),
        "abstained": result.get("abstained"),
        "novelty": result.get("novelty"),
        **{f"probability_{plain_name(label)}": probabilities.get(label) for label in labels},
        "duration_seconds": result.get("duration_seconds"),
        "error": plain_name(result["error"]) if "error" in result else None,
    }


def _write_csv(file: BinaryIO, rows: Iterable[Row], labels: Sequence[str]) -> None:
    columns = result_columns(labels)
    cells = ([row[column] for column in columns] for row in rows)
    file.writelines(line.encode() for line in csv_lines(itertools.chain([columns], cells)))


def _read_csv(path: Path, labels: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as text, refuse_damage(path):
        reader = csv.DictReader(text)
        _check_columns(path, reader.fieldnames or (), result_columns(labels))
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num} has a wrong number of cells")
            yield row


def _write_json_lines(file: BinaryIO, rows: Iterable[Row], labels: Sequence[str]) -> None:
    file.writelines(json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows)


def read_json_lines(path: Path, labels: Sequence[str] = ()) -> Iterator[Row]:
    """Reads results as ``predict --json`` prints them.

    Args:
        path: The file.
        labels: Not used; in the signature of every ``ResultFormat.read``.

    Raises:
        DataError: A line is not a result.
    """
    with path.open(encoding="utf-8") as lines, refuse_damage(path):
        for number, line in enumerate(lines, start=1):
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("path"), str):
                raise ValueError(f"line {number} is not a result")
            yield row


def _to_parquet_row(result: Row, labels: Sequence[str]) -> Row:
    segments = result.get("segments")
    if segments is not None:
        segments = [{**one, "label": plain_name(one["label"])} for one in segments]
    return {**_flat(result, labels), "segments": segments}


def _parquet_schema(labels: Sequence[str]) -> Any:
    import pyarrow as pa

    texts, numbers = pa.string(), pa.float64()
    types = dict.fromkeys(("path", "label", "abstained", "error"), texts)
    segment = {"start": numbers, "end": numbers, "label": texts, "probability": numbers}
    fields = [(name, types.get(name, numbers)) for name in result_columns(labels)]
    return pa.schema([*fields, ("segments", pa.list_(pa.struct(segment.items())))])


def _write_parquet(file: BinaryIO, rows: Iterable[Row], labels: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    schema, remaining = _parquet_schema(labels), iter(rows)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while batch := list(itertools.islice(remaining, BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))


def _read_parquet(path: Path, labels: Sequence[str]) -> Iterator[Row]:
    import pyarrow.parquet

    with refuse_damage(path), pyarrow.parquet.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names, _parquet_schema(labels).names)
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Context for reading a file that earmark wrote: turns parse errors into one of the file.

    Raises:
        DataError: For any error of the readers of text, CSV, JSON and Parquet.
    """
    try:
        yield
    except (ValueError, csv.Error, OSError) as error:
        # PyArrow raises some errors of its own as OSError, but without an error number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: damaged: {reason}; start again without --resume") from None


def _check_columns(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    if list(found) != list(expected):
        raise DataError(
            f"{path}: the columns are {', '.join(found)}, but this model gives "
            f"{', '.join(expected)}; choose another file for the results"
        )


def _unchanged(result: Row, labels: Sequence[str]) -> Row:
    return result


_FORMATS = {
    ".csv": ResultFormat(_flat, _write_csv, _read_csv, holds_segments=False),
    ".jsonl": ResultFormat(_unchanged, _write_json_lines, read_json_lines),
    ".parquet": ResultFormat(_to_parquet_row, _write_parquet, _read_parquet),
}
