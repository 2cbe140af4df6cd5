"""Writing a table of vectors: in pieces, so that work can be resumed, then as one table.

::

    vectors.parquet.pieces/facts.json, 000000.parquet, 000001.parquet, ...  ──▶  vectors.parquet
                                                                        └──▶ .vectors.parquet.units

Pieces are written atomically: an interruption loses at most the last one. A hidden file beside the
table keeps the states of the sound files: those that have changed since are embedded again.
"""

import json
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from earmark.errors import ConfigError
from earmark.inference.embedding import EmbeddedFile
from earmark.inference.open_embedder import MODEL_PLACE
from earmark.inference.parts import DIMENSIONS
from earmark.inference.result_index import Entry, ResultIndex, name_digest, read_states
from earmark.inference.result_table import refuse_table, states_file
from earmark.inference.resumable import ResumableWork
from earmark.labelling.vector_pieces import (
    VectorPieces,
    piece_files,
    place,
    place_of_cell,
    read_batches,
    refuse_name,
    write_table,
)
from earmark.labelling.vectors import COLUMNS, Vectors, read_vectors, vectors_schema
from earmark.system.files import atomic_write, path_from

_KEEPS_TABLE = "keeps_table"


class ResumableVectors(ResumableWork[VectorPieces]):
    """Vectors that are collected in pieces; what tables and parts of them have in common.

    Args:
        path: The table that they become.
        folder: Where the pieces are.
        dimensions: Length of a vector.
        facts: What makes the vectors.
    """

    def __init__(self, path: Path, folder: Path, dimensions: int, facts: Mapping[str, Any]) -> None:
        refuse_name(path)
        self._folder = Path(os.path.realpath(path.parent))
        # As they are read back.
        self._facts = json.loads(json.dumps({DIMENSIONS: dimensions, **facts}))
        self._schema = vectors_schema(dimensions, self._facts)
        super().__init__(VectorPieces(folder, self._schema))
        # Of the rows of the index: the piece, or -1 for the table; the digest of the name; windows.
        self._sources, self._names, self._windows = array("q"), array("Q"), array("q")

    @property
    def num_windows(self) -> int:
        """Windows of all files, before and now."""
        return int(np.frombuffer(self._windows, np.int64)[self._index.kept_rows()].sum())

    def is_done(self, path: Path) -> bool:
        """Whether a file was done before this work started, and has not changed since.

        Args:
            path: The file.
        """
        return self._index.is_done(place(path))

    def cell(self, path: Path) -> str | None:
        """What stands in the column ``path`` for a file; None if its name is no text.

        Args:
            path: The file.
        """
        name = path_from(self._folder, path)
        return name if name == name.encode(errors="replace").decode() else None

    def add(self, file: EmbeddedFile) -> None:
        """Adds the vectors of a file, whose name is text; see `VectorPieces.add`.

        Args:
            file: The vectors.
        """
        name = self.cell(file.path)
        assert name is not None
        key = str(place(file.path))
        state, digest = self._index.add(key, is_failed=False), name_digest(key)
        number = self._pieces.add(name, file, state, digest)
        self._note_entry(number, digest, len(file.embeddings.vectors))

    def _piece_entries(self) -> Iterator[Entry]:
        """The files of the pieces."""
        for number, path in enumerate(self._pieces.paths):
            for name, state, num_windows in piece_files(path):
                digest = self._digest(name)
                self._note_entry(number, digest, num_windows)
                yield Entry(digest, state, is_failed=False)

    def _note_entry(self, source: int, digest: int, num_windows: int) -> None:
        self._sources.append(source)
        self._names.append(digest)
        self._windows.append(num_windows)

    def _digest(self, name: str) -> int:
        return name_digest(str(place_of_cell(self._folder, name)))

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


class VectorTable(ResumableVectors):
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
        super().__init__(path, path.with_name(f"{path.name}.pieces"), dimensions, facts)
        self.path = path
        self._old: Vectors | None = None
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

    def finish(self) -> Vectors:
        """Merges all pieces into the table, and removes them."""
        self._pieces.flush()
        self._index.log_changed("embedded")
        write_table(self.path, self._schema, self._kept_batches())
        atomic_write(states_file(self.path), self._index.to_bytes())
        self._is_finished = True
        self._pieces.remove()
        return read_vectors(self.path)

    def _close(self) -> None:
        # Only the facts file records that a finished table is to be replaced.
        replaces = self.path.exists() and self._old is None and self._pieces.has_facts
        self._pieces.close(keep=bool(self._pieces.count) or replaces)

    def _entries(self) -> Iterator[Entry]:
        """The files of the table that is kept, and of the pieces."""
        if self._old is not None:
            state_of = read_states(states_file(self.path))
            names = Counter(
                name
                for batch in read_batches(self.path, ["path"])
                for name in batch.column(0).to_pylist()
            )
            for name, num_windows in names.items():
                digest = self._digest(name)
                self._note_entry(-1, digest, num_windows)
                yield Entry(digest, state_of(digest), is_failed=False)
        yield from self._piece_entries()

    def _kept_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that count: of each file the last ones."""
        names, kept = np.frombuffer(self._names, np.uint64), self._index.kept_rows()
        sources = np.frombuffer(self._sources, np.int64)
        for source in range(-1 if self._old else 0, self._pieces.count):
            path = self.path if source < 0 else self._pieces.paths[source]
            counting = set(names[kept & (sources == source)].tolist())
            for batch in read_batches(path, list(COLUMNS)):
                encoded = batch.column(0).dictionary_encode()
                counts = [self._digest(one) in counting for one in encoded.dictionary.to_pylist()]
                mask = np.array(counts, bool)[encoded.indices.to_numpy()]
                yield batch.filter(pa.array(mask))
