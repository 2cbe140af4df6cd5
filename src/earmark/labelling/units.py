"""Vectors at length 1, in a file beside their table that is mapped into memory to be searched.

Parquet has to be decoded, which takes ten times as long as the search. The file starts with a page
of JSON that names its table and the state of it; when the table has changed, the file is rebuilt.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from earmark.errors import DataError
from earmark.system.shapes import Float32

PAGE_BYTES = 4096
FORMAT = 1
_FOOTER_BYTES = 1 << 16

Vectors = Float32[np.ndarray, "windows dimensions"]


def units_path(table: Path) -> Path:
    """The file that belongs to a table."""
    return table.with_name(f".{table.name}.units")


def unit_vectors(vectors: Vectors) -> Vectors:
    """Vectors at length 1; those without a length stay 0, and are like nothing.

    Args:
        vectors: A row each.

    Example:
        >>> unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    # In float64: the squares of large values would overflow.
    lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


class UnitsWriter:
    """Writes the unit vectors of a table; a context, which leaves nothing behind unless finished.

    Args:
        table: The table.
        dimensions: Length of a vector.
    """

    def __init__(self, table: Path, dimensions: int) -> None:
        self._table, self._dimensions, self._num_rows = table, dimensions, 0
        self._part = units_path(table).with_name(f"{units_path(table).name}.{os.getpid()}.part")
        self._file = self._part.open("wb")
        self._file.write(bytes(PAGE_BYTES))

    def __enter__(self) -> "UnitsWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, vectors: Vectors) -> None:
        """Adds the next rows of the table."""
        unit_vectors(vectors).tofile(self._file)
        self._num_rows += len(vectors)

    def finish(self) -> None:
        """Completes the file, for the table as it is now."""
        facts = {
            "format": FORMAT,
            "rows": self._num_rows,
            "dimensions": self._dimensions,
            **_state(self._table),
        }
        self._file.seek(0)
        self._file.write(json.dumps(facts).encode().ljust(PAGE_BYTES))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(units_path(self._table))


def map_units(table: Path, num_rows: int, dimensions: int) -> Vectors | None:
    """The unit vectors of a table, mapped into memory; None where there are none of this state.

    Args:
        table: The table.
        num_rows: Rows of the table.
        dimensions: Length of a vector.
    """
    path = units_path(table)
    expected = {"format": FORMAT, "rows": num_rows, "dimensions": dimensions, **_state(table)}
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(PAGE_BYTES))
        is_whole = path.stat().st_size == PAGE_BYTES + 4 * num_rows * dimensions
    except (OSError, ValueError):
        return None
    if facts != expected or not is_whole:
        return None
    shape = (num_rows, dimensions)
    if not num_rows:
        return np.zeros(shape, np.float32)
    return np.memmap(path, np.float32, "r", PAGE_BYTES, shape)


def write_units(table: Path, dimensions: int, batches: Iterable[Vectors]) -> Iterator[Vectors]:
    """Writes the unit vectors of a table, and yields them as they are written.

    Where the folder cannot be written to, they are yielded alone.

    Args:
        table: The table.
        dimensions: Length of a vector.
        batches: Its vectors, in order.
    """
    try:
        writer = UnitsWriter(table, dimensions)
    except OSError:
        yield from map(unit_vectors, batches)
        return
    with writer:
        for batch in batches:
            writer.add(batch)
            yield unit_vectors(batch)
        writer.finish()


def _state(table: Path) -> dict[str, Any]:
    """What changes when the table does."""
    try:
        state = table.stat()
        with table.open("rb") as file:
            file.seek(max(0, state.st_size - _FOOTER_BYTES))
            footer = xxhash.xxh3_128_hexdigest(file.read())
    except OSError as error:
        raise DataError(f"{table}: cannot be read: {error.strerror}") from None
    return {"table_bytes": state.st_size, "modified_ns": state.st_mtime_ns, "footer": footer}
