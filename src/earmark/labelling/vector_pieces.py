"""Vectors in pieces, which list their files, and the table that pieces become.

::

    FOLDER/facts.json, lock, 000000.parquet, 000001.parquet, ...
"""

import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.errors import ConfigError
from earmark.inference.embedding import EmbeddedFile
from earmark.inference.pieces import PieceFolder
from earmark.labelling.units import UnitsWriter
from earmark.labelling.vectors import ROW_GROUP, embedding_values, refuse_damage
from earmark.system.files import atomic_open
from earmark.system.remote.path import RemotePath, to_path
from earmark.system.remote.urls import is_url

PIECE_WINDOWS, PIECE_SECONDS = 50_000, 30.0
PIECE_ROW_GROUP = 1 << 10
"""Rows of a piece that are read at once, where pieces of several shards are joined."""
SUFFIX = ".parquet"
_FILES = b"files"
"""Key of the metadata of a piece: its files, their states and how many windows each has."""


class ListedFile(NamedTuple):
    """A file of a piece.

    Args:
        name: What stands in the column ``path``.
        state: Of the file, when it was embedded.
        num_windows: Its rows, which follow those of the files before.
    """

    name: str
    state: int
    num_windows: int


class VectorPieces(PieceFolder):
    """A folder of pieces with vectors.

    Args:
        folder: As for `PieceFolder`.
        schema: Of the table that they become.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        super().__init__(folder, SUFFIX)
        self._schema = schema
        self._waiting: list[tuple[ListedFile, EmbeddedFile]] = []
        self._places: set[int] = set()
        self._flushed_at = time.monotonic()

    def add(self, name: str, file: EmbeddedFile, state: int, digest: int) -> int:
        """Adds a file; writes a piece when it is full, or after `PIECE_SECONDS`.

        A piece holds a file once, so that its last rows can be told from earlier ones.

        Args:
            name: What stands in the column ``path``.
            file: The vectors.
            state: Of the file.
            digest: Of its place, the same for all its names.

        Returns:
            The number of the piece that will hold it.
        """
        if digest in self._places:
            self.flush()
        number = self.count
        self._places.add(digest)
        self._waiting.append((ListedFile(name, state, len(file.embeddings.vectors)), file))
        num_windows = sum(one.num_windows for one, _ in self._waiting)
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or num_windows >= PIECE_WINDOWS:
            self.flush()
        return number

    def flush(self) -> None:
        """Writes what waits as a piece."""
        if self._waiting:
            files = json.dumps([one for one, _ in self._waiting])
            table = pa.Table.from_batches([_batch(self._waiting, self._schema)])
            table = table.replace_schema_metadata({**self._schema.metadata, _FILES: files.encode()})
            path = self.next_path()
            with atomic_open(path) as file, _writer(file, table.schema) as writer:
                writer.write_table(table, row_group_size=PIECE_ROW_GROUP)
            self.paths.append(path)
            self._waiting = []
            self._places.clear()
        self._flushed_at = time.monotonic()


def piece_files(path: Path) -> list[ListedFile]:
    """The files of a piece, in order; each once.

    Args:
        path: The piece.

    Raises:
        DataError: It is damaged.
    """
    with refuse_damage(path):
        metadata = pq.read_schema(path).metadata or {}
        if _FILES not in metadata:
            raise ValueError("no list of files")
        return [ListedFile(*one) for one in json.loads(metadata[_FILES])]


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a piece or a table, in order.

    Args:
        path: The file.
        columns: Which columns.

    Raises:
        DataError: It is damaged.
    """
    with refuse_damage(path), pq.ParquetFile(path) as file:
        yield from file.iter_batches(ROW_GROUP, columns=columns)


def write_table(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Writes a table, and its vectors at length 1 beside it.

    The bytes depend on the rows alone, however they are divided into batches.

    Args:
        path: The table.
        schema: Its columns, and what made the vectors.
        batches: Its rows.
    """
    dimensions = schema.field("embedding").type.list_size
    with UnitsWriter(path, dimensions) as units:
        with atomic_open(path) as file, _writer(file, schema) as writer:
            for table in _row_groups(schema, batches):
                writer.write_table(table, row_group_size=ROW_GROUP)
                for chunk in table.column("embedding").chunks:
                    units.add(embedding_values(chunk, path))
        units.finish()


def _row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in groups of `ROW_GROUP`; one without rows if there are none."""
    waiting: list[pa.RecordBatch] = []
    num_waiting, is_empty = 0, True
    for batch in batches:
        rest = batch.replace_schema_metadata(schema.metadata)
        while num_waiting + len(rest) >= ROW_GROUP:
            waiting.append(rest.slice(0, ROW_GROUP - num_waiting))
            rest = rest.slice(ROW_GROUP - num_waiting)
            yield pa.Table.from_batches(waiting, schema).combine_chunks()
            waiting, num_waiting, is_empty = [], 0, False
        if len(rest):
            waiting.append(rest)
            num_waiting += len(rest)
    if waiting or is_empty:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def refuse_name(path: Path) -> None:
    """Checks the name of a table of vectors.

    Args:
        path: The table.

    Raises:
        ConfigError: It does not end in ``.parquet``.
    """
    if path.suffix.lower() != SUFFIX:
        raise ConfigError(f"{path}: the name of a table of vectors must end in {SUFFIX}")


def place(path: Path) -> Path:
    """One spelling for a file, with the links on the way to it resolved.

    Args:
        path: The file.
    """
    if isinstance(path, RemotePath):
        return path
    return Path(os.path.realpath(path.parent), path.name)


def place_of_cell(folder: Path, cell: str) -> Path:
    """The place of a file that the column ``path`` names.

    Args:
        folder: That of the table.
        cell: What stands in the column.
    """
    return place(to_path(cell) if is_url(cell) else folder / cell)


def _writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    compression = {"path": "zstd", "start": "zstd", "end": "zstd"}
    return pq.ParquetWriter(
        file,
        schema,
        use_dictionary=["path"],
        compression={**compression, "embedding.list.element": "none"},
    )


def _batch(files: list[tuple[ListedFile, EmbeddedFile]], schema: pa.Schema) -> pa.RecordBatch:
    names = itertools.chain.from_iterable(
        itertools.repeat(one.name, one.num_windows) for one, _ in files
    )
    found = [one.embeddings for _, one in files]
    return make_batch(
        schema,
        names,
        np.concatenate([one.start_seconds for one in found]),
        np.concatenate([one.end_seconds for one in found]),
        np.concatenate([one.vectors for one in found]),
    )


def make_batch(
    schema: pa.Schema,
    names: Iterable[str],
    starts: np.ndarray,
    ends: np.ndarray,
    vectors: np.ndarray,
) -> pa.RecordBatch:
    """Rows of a table from their columns.

    Args:
        schema: Of the table.
        names: What stands in the column ``path``.
        starts: In seconds.
        ends: In seconds.
        vectors: A row each.
    """
    embedding = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.reshape(-1)), type=schema.field("embedding").type
    )
    columns = [pa.array(names, pa.string()), pa.array(starts), pa.array(ends), embedding]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
