"""Writing a table of vectors: in pieces, so that work can be resumed, then as one table.

::

    vectors.parquet.pieces/facts.json, 000000.parquet, 000001.parquet, ...  ──▶  vectors.parquet
                                                                        └──▶ .vectors.parquet.units

Pieces are written atomically: an interruption loses at most the last one. A hidden file beside the
table keeps the states of the sound files: those that have changed since are embedded again.
"""

import itertools
import json
import logging
import os
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.errors import ConfigError
from earmark.inference.embedding import EmbeddedFile
from earmark.inference.open_embedder import MODEL_PLACE
from earmark.inference.pieces import PieceFolder
from earmark.inference.result_index import Entry, ResultIndex, name_digest, read_states
from earmark.inference.result_table import refuse_table
from earmark.labelling.units import UnitsWriter
from earmark.labelling.vectors import (
    COLUMNS,
    ROW_GROUP,
    Vectors,
    embedding_values,
    read_vectors,
    refuse_damage,
    vectors_schema,
)
from earmark.system.files import atomic_open, atomic_write, path_from

logger = logging.getLogger(__name__)

PIECE_WINDOWS, PIECE_SECONDS = 50_000, 30.0
_KEEPS_TABLE = "keeps_table"
_FILES = b"files"
"""Key of the metadata of a piece: its files and their states."""


class VectorTable:
    """A table of vectors that is being written.

    Args:
        path: The table, ``.parquet``.
        dimensions: Length of a vector.
        facts: What makes the vectors; those with other facts are not mixed with these.
        resume: Continue the pieces of interrupted work, and a finished table.
        overwrite: Start again in place of these, or of any other file.

    Raises:
        ConfigError: The name does not end in ``.parquet``; or there are pieces or a file, and
            neither ``resume`` nor ``overwrite`` is set; or what is to be resumed has other facts.
        DataError: Another process is writing this table; or what is to be resumed is damaged.
    """

    def __init__(
        self,
        path: Path,
        dimensions: int,
        facts: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        if path.suffix.lower() != ".parquet":
            raise ConfigError(f"{path}: the name of a table of vectors must end in .parquet")
        self.path, self._dimensions = path, dimensions
        # As they are read back.
        self._facts = json.loads(json.dumps({"dimensions": dimensions, **facts}))
        self._folder = Path(os.path.realpath(path.parent))
        self._states = path.with_name(f".{path.name}.states.npy")
        self._waiting: list[tuple[str, EmbeddedFile, int]] = []
        self._flushed_at = time.monotonic()
        self._is_finished = False
        self._old: Vectors | None = None
        self._pieces = PieceFolder(path.with_name(f"{path.name}.pieces"), ".parquet")
        # Of the rows of the index: the piece, or -1 for the table, and the digest of the name.
        self._sources, self._names = array("q"), array("Q")
        try:
            self._open(resume=resume, overwrite=overwrite)
        except BaseException:
            self._close()
            raise

    def _open(self, *, resume: bool, overwrite: bool) -> None:
        if overwrite:
            self._pieces.clear()
        elif not resume:
            self._pieces.refuse_some()
            refuse_table(self.path)
        if self._keeps_table(resume=resume):
            self._old = read_vectors(self.path)
            self._refuse_other_facts(self.path, self._old.facts)
        self._index = ResultIndex(self._entries())
        self._pieces.write_facts({**self._facts, _KEEPS_TABLE: self._old is not None})

    def _keeps_table(self, *, resume: bool) -> bool:
        """Whether the rows of a finished table stay; resumed work continues as it started."""
        keeps_table = resume
        if resume and self._pieces.count and (started := self._pieces.read_facts()):
            keeps_table = started.pop(_KEEPS_TABLE, True)
            self._refuse_other_facts(self._pieces.folder, started)
        return keeps_table and self.path.exists()

    def _refuse_other_facts(self, source: Path, found: Mapping[str, Any]) -> None:
        differing = sorted(
            key
            for key in {*found, *self._facts} - {MODEL_PLACE}
            if found.get(key) != self._facts.get(key)
        )
        if differing:
            raise ConfigError(
                f"{source}: vectors of another model or other settings ({', '.join(differing)}); "
                "use those again, or remove it"
            )

    @property
    def num_done(self) -> int:
        """Files that were done before this work started, less those found to have changed."""
        return self._index.num_done

    def is_done(self, path: Path) -> bool:
        """Whether a file was done before this work started, and has not changed since.

        Args:
            path: The file.
        """
        return self._index.is_done(_place(path))

    def cell(self, path: Path) -> str | None:
        """What stands in the column ``path`` for a file; None if its name is no text.

        Args:
            path: The file.
        """
        name = path_from(self._folder, path)
        return name if name == name.encode(errors="replace").decode() else None

    def add(self, file: EmbeddedFile) -> None:
        """Adds the vectors of a file, whose name is text.

        Writes a piece when it is full, or after `PIECE_SECONDS`.

        Args:
            file: The vectors.
        """
        name = self.cell(file.path)
        assert name is not None
        key = str(_place(file.path))
        state = self._index.add(key, is_failed=False)
        self._note_entry(self._pieces.count, name_digest(key))
        self._waiting.append((name, file, state))
        num_windows = sum(len(one.embeddings.vectors) for _, one, _ in self._waiting)
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or num_windows >= PIECE_WINDOWS:
            self._flush()

    def finish(self) -> Vectors:
        """Merges all pieces into the table, and removes them."""
        self._flush()
        self._index.log_changed("embedded")
        schema = vectors_schema(self._dimensions, self._facts)
        with UnitsWriter(self.path, self._dimensions) as units:
            with atomic_open(self.path) as file, _writer(file, schema) as writer:
                for table in self._row_groups(schema):
                    writer.write_table(table, row_group_size=ROW_GROUP)
                    for chunk in table.column("embedding").chunks:
                        units.add(embedding_values(chunk, self.path))
            units.finish()
        atomic_write(self._states, self._index.to_bytes())
        self._is_finished = True
        self._pieces.remove()
        return read_vectors(self.path)

    def __enter__(self) -> "VectorTable":
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption: keep the vectors since the last piece.
        if not self._is_finished:
            self._flush()
            self._close()

    def _close(self) -> None:
        # Only the facts file records that a finished table is to be replaced.
        replaces = self.path.exists() and self._old is None and self._pieces.has_facts
        self._pieces.close(keep=bool(self._pieces.count) or replaces)

    def _flush(self) -> None:
        if self._waiting:
            files = json.dumps([[name, state] for name, _, state in self._waiting])
            schema = vectors_schema(self._dimensions, self._facts)
            table = pa.Table.from_batches([_batch(self._waiting, schema)])
            table = table.replace_schema_metadata({**schema.metadata, _FILES: files.encode()})
            path = self._pieces.next_path()
            with atomic_open(path) as file, _writer(file, table.schema) as writer:
                writer.write_table(table, row_group_size=ROW_GROUP)
            self._pieces.paths.append(path)
            self._waiting = []
        self._flushed_at = time.monotonic()

    def _entries(self) -> Iterator[Entry]:
        """The files of the table that is kept, and of the pieces."""
        if self._old is not None:
            state_of = read_states(self._states)
            names = dict.fromkeys(
                name for batch in _read(self.path, ["path"]) for name in batch.column(0).to_pylist()
            )
            for name in names:
                digest = self._note_entry(-1, self._digest(name))
                yield Entry(digest, state_of(digest), is_failed=False)
        for number, path in enumerate(self._pieces.paths):
            with refuse_damage(path):
                files = json.loads(pq.read_schema(path).metadata[_FILES])
            for name, state in files:
                yield Entry(self._note_entry(number, self._digest(name)), state, is_failed=False)

    def _note_entry(self, source: int, digest: int) -> int:
        self._sources.append(source)
        self._names.append(digest)
        return digest

    def _digest(self, name: str) -> int:
        return name_digest(str(_place(self._folder / name)))

    def _row_groups(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows that count: of each file the last ones."""
        waiting: list[pa.RecordBatch] = []
        for batch in self._kept_batches():
            waiting.append(batch.replace_schema_metadata(schema.metadata))
            if sum(map(len, waiting)) >= ROW_GROUP:
                yield pa.Table.from_batches(waiting, schema)
                waiting = []
        yield pa.Table.from_batches(waiting, schema)

    def _kept_batches(self) -> Iterator[pa.RecordBatch]:
        names, kept = np.frombuffer(self._names, np.uint64), self._index.kept_rows()
        sources = np.frombuffer(self._sources, np.int64)
        for source in range(-1 if self._old else 0, self._pieces.count):
            path = self.path if source < 0 else self._pieces.paths[source]
            counting = set(names[kept & (sources == source)].tolist())
            for batch in _read(path, list(COLUMNS)):
                encoded = batch.column(0).dictionary_encode()
                counts = [self._digest(one) in counting for one in encoded.dictionary.to_pylist()]
                mask = np.array(counts, bool)[encoded.indices.to_numpy()]
                yield batch.filter(pa.array(mask))


def _place(path: Path) -> Path:
    """One spelling for a file, with the links on the way to it resolved."""
    return Path(os.path.realpath(path.parent), path.name)


def _writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    compression = {"path": "zstd", "start": "zstd", "end": "zstd"}
    return pq.ParquetWriter(
        file,
        schema,
        use_dictionary=["path"],
        compression={**compression, "embedding.list.element": "none"},
    )


def _read(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with refuse_damage(path), pq.ParquetFile(path) as file:
        yield from file.iter_batches(ROW_GROUP, columns=columns)


def _batch(files: list[tuple[str, EmbeddedFile, int]], schema: pa.Schema) -> pa.RecordBatch:
    names = itertools.chain.from_iterable(
        itertools.repeat(name, len(one.embeddings.vectors)) for name, one, _ in files
    )
    found = [one.embeddings for _, one, _ in files]
    values = np.concatenate([one.vectors for one in found])
    embedding = pa.FixedSizeListArray.from_arrays(
        pa.array(values.reshape(-1)), type=schema.field("embedding").type
    )
    starts = np.concatenate([one.start_seconds for one in found])
    ends = np.concatenate([one.end_seconds for one in found])
    columns = [pa.array(names, pa.string()), pa.array(starts), pa.array(ends), embedding]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
