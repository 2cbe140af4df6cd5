"""Tables of vectors: Parquet files with a row for each window of sound.

The columns are ``path``, relative to the folder of the table, ``start`` and ``end`` in seconds, and
``embedding``. What made the vectors is in the metadata of the schema.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.errors import DataError
from earmark.labelling.units import map_units, write_units
from earmark.system.shapes import Float32, Int64

METADATA_KEY = b"earmark"
FORMAT = 1
COLUMNS = ("path", "start", "end", "embedding")
ROW_GROUP = 1 << 16
"""Rows that are written and read at once, about."""


class Window(NamedTuple):
    """A row of a table of vectors.

    Args:
        path: The file.
        start: Where the window starts, in seconds.
        end: Where it ends.
    """

    path: Path
    start: float
    end: float


def vectors_schema(dimensions: int, facts: Mapping[str, Any]) -> pa.Schema:
    """The schema of a table.

    Args:
        dimensions: Length of a vector.
        facts: What made the vectors, as JSON values.
    """
    number = pa.field("element", pa.float32(), nullable=False)
    types = (pa.string(), pa.float64(), pa.float64(), pa.list_(number, dimensions))
    fields = [pa.field(*pair, nullable=False) for pair in zip(COLUMNS, types, strict=True)]
    text = json.dumps({"format": FORMAT, **facts}, sort_keys=True)
    return pa.schema(fields, metadata={METADATA_KEY: text.encode()})


@dataclass(frozen=True)
class Vectors:
    """A table of vectors on disk; see `read_vectors`.

    Args:
        path: The table.
        num_windows: Its rows.
        dimensions: Length of a vector.
        facts: What made the vectors; empty for a table that another program has written.
    """

    path: Path
    num_windows: int
    dimensions: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Vectors({str(self.path)!r}: {self.num_windows:,} windows of {self.dimensions})"

    def units(self) -> Iterator[Float32[np.ndarray, "_ dimensions"]]:
        """The vectors at length 1, in order and in parts; mapped from a file beside the table.

        The file is made where it is missing or of another state of the table.
        """
        mapped = map_units(self.path, self.num_windows, self.dimensions)
        if mapped is None:
            yield from write_units(self.path, self.dimensions, self.batches())
            return
        for first in range(0, len(mapped), ROW_GROUP):
            yield mapped[first : first + ROW_GROUP]

    def batches(self) -> Iterator[Float32[np.ndarray, "_ dimensions"]]:
        """The vectors as they are stored, in order and in parts.

        Raises:
            DataError: The table is damaged.
        """
        with refuse_damage(self.path), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(ROW_GROUP, columns=["embedding"]):
                yield embedding_values(batch.column(0), self.path)

    def windows(self, rows: Sequence[int] | Int64[np.ndarray, " rows"]) -> list[Window]:
        """What some rows are of, in the order of the rows.

        Args:
            rows: Their numbers.
        """
        chosen = np.asarray(rows, np.int64)
        found: dict[int, Window] = {}
        with refuse_damage(self.path), pq.ParquetFile(self.path) as file:
            first = 0
            for group in range(file.num_row_groups):
                num_rows = file.metadata.row_group(group).num_rows
                wanted = np.unique(chosen[(chosen >= first) & (chosen < first + num_rows)])
                if len(wanted):
                    table = file.read_row_group(group, columns=list(COLUMNS[:3]))
                    cells = table.take(pa.array(wanted - first)).to_pylist()
                    for row, one in zip(wanted.tolist(), cells, strict=True):
                        found[row] = Window(self.file(one["path"]), one["start"], one["end"])
                first += num_rows
        return [found[row] for row in chosen.tolist()]

    def file(self, path: str) -> Path:
        """The file that a cell of ``path`` names.

        Args:
            path: The cell.
        """
        absolute = Path(os.path.normpath(Path(os.path.realpath(self.path.parent), path)))
        here = Path(os.path.realpath(Path.cwd()))
        return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute


def read_vectors(path: Path | str) -> Vectors:
    """Opens a table of vectors.

    Args:
        path: A Parquet file of `earmark embed`, or one with the same columns.

    Raises:
        DataError: It is missing or damaged, or has other columns.

    Example:
        >>> read_vectors("none.parquet")
        Traceback (most recent call last):
        earmark.errors.DataError: none.parquet: cannot be read: No such file or directory
    """
    path = Path(path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    with refuse_damage(path), pq.ParquetFile(path) as file:
        schema, num_windows = file.schema_arrow, file.metadata.num_rows
    types = {name: schema.field(name).type for name in COLUMNS if name in schema.names}
    embedding = types.get("embedding")
    is_fixed = embedding is not None and pa.types.is_fixed_size_list(embedding)
    fits = (
        len(types) == len(COLUMNS)
        and types["path"] in (pa.string(), pa.large_string())
        and types["start"] == types["end"] == pa.float64()
        and is_fixed
        and embedding.value_type == pa.float32()
    )
    if not fits or embedding is None:
        found = ", ".join(f"{one.name} {one.type}" for one in schema)
        raise DataError(
            f"{path}: not a table of vectors: it has the columns {found}, not path string, start "
            "double, end double and embedding fixed_size_list<float>; write it with earmark embed"
        )
    metadata = (schema.metadata or {}).get(METADATA_KEY, b"{}")
    with refuse_damage(path):
        facts = dict(json.loads(metadata))
    if facts.pop("format", FORMAT) > FORMAT:
        raise DataError(f"{path}: written by a newer version of earmark; update earmark")
    return Vectors(path, num_windows, embedding.list_size, facts)


def embedding_values(column: Any, path: Path) -> Float32[np.ndarray, "_ dimensions"]:
    """The vectors of a column of Arrow.

    Args:
        column: Fixed-size lists of float32.
        path: The table, for messages.

    Raises:
        DataError: One is missing or not finite.
    """
    values = column.flatten()
    if column.null_count or values.null_count:
        raise DataError(f"{path}: a row has no embedding; embed its file again")
    found = values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    if not np.isfinite(found).all():
        raise DataError(f"{path}: an embedding is not finite; embed its file again")
    return found


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Context for reading a table: errors of PyArrow become one of the table.

    Args:
        path: The table.

    Raises:
        DataError: For any of them.
    """
    try:
        yield
    except (pa.ArrowException, ValueError, OSError) as error:
        # PyArrow raises some errors of its own as OSError, but without an error number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: damaged: {reason}; embed again") from None
