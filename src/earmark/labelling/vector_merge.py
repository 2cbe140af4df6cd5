"""Joins the parts of a sharded embedding to the table that one machine would have written."""

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.inference.open_embedder import MODEL_PLACE
from earmark.inference.parts import (
    DIMENSIONS,
    FILES,
    Part,
    Positions,
    open_parts,
    refuse_missing_files,
)
from earmark.inference.pieces import piece_paths
from earmark.inference.result_index import last_rows, name_digest, states_to_bytes
from earmark.inference.result_table import refuse_table, states_file
from earmark.labelling.vector_part import FAILED
from earmark.labelling.vector_pieces import (
    SUFFIX,
    make_batch,
    piece_files,
    place_of_cell,
    refuse_name,
    write_table,
)
from earmark.labelling.vectors import (
    COLUMNS,
    ROW_GROUP,
    embedding_values,
    refuse_damage,
    vectors_schema,
)
from earmark.system.files import atomic_write, path_from
from earmark.system.numbers import counted
from earmark.system.shards import read_positions

OPEN_PIECES = 64
"""Pieces that are open at a time."""
HELD_GROUPS = 64
"""Groups of rows of pieces that are held in memory, or more if there are many parts."""


@dataclass(frozen=True)
class MergedVectors:
    """What was joined.

    Args:
        path: The table.
        num_files: Files in it.
        num_windows: Its rows.
        num_failed: Files of the list that gave no vectors.
        num_left_out: Files with vectors that the list of this work no longer has.
    """

    path: Path
    num_files: int
    num_windows: int
    num_failed: int
    num_left_out: int

    def describe(self) -> str:
        """What it holds, for people."""
        failed = f"; {counted(self.num_failed, 'file')} failed" if self.num_failed else ""
        return f"{counted(self.num_windows, 'window')} of {counted(self.num_files, 'file')}{failed}"

    def to_dict(self) -> dict[str, Any]:
        """What ``merge --json`` prints."""
        return {
            "output": str(self.path),
            "num_files": self.num_files,
            "num_windows": self.num_windows,
            "num_failed": self.num_failed,
            "num_left_out": self.num_left_out,
        }


def merge_vectors(
    folders: Sequence[Path], output: Path, *, overwrite: bool = False
) -> MergedVectors:
    """Joins parts to the table that one machine would have written, byte for byte.

    The vectors stay on disk; memory holds some numbers for each file, and the rows of a few pieces.
    Paths in the table are relative to its folder, and those in a part to the folder of the part.

    Args:
        folders: The parts of all shards, in any order.
        output: The table, ``.parquet``.
        overwrite: Replace a file in its place.

    Raises:
        ConfigError: The parts are not of one work or one embedder, or the table exists.
        DataError: Something is missing: a shard, the end of one, or vectors of some files.
    """
    refuse_name(output)
    if not overwrite:
        refuse_table(output)
    parts = open_parts(folders, "embed", ignored={MODEL_PLACE})
    num_failed = sum(_count_failed(one.folder) for one in parts)
    files = _index_files(parts)
    facts = min(parts, key=lambda one: one.shard).facts
    schema = vectors_schema(facts[DIMENSIONS], facts)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_table(output, schema, _Reader(files, schema, output.parent).batches())
    atomic_write(states_file(output), states_to_bytes(files.places, files.states))
    return MergedVectors(
        output, len(files.places), int(files.counts.sum()), num_failed, files.num_left_out
    )


def _count_failed(folder: Path) -> int:
    # As of the list of its other files, an error names it if it is missing.
    Positions(folder / FAILED)
    return sum(1 for _ in read_positions(folder / FAILED))


@dataclass(frozen=True)
class _Files:
    """Where the vectors of all files are, in the order of the list.

    Args:
        pieces: The pieces of all parts.
        numbers: Which of them holds each file.
        firsts: The first row of the file in it.
        counts: How many rows there are.
        places: Digest of the place of each file.
        states: State of each file.
        num_left_out: Files that the list does not have.
    """

    pieces: Sequence[Path]
    numbers: np.ndarray
    firsts: np.ndarray
    counts: np.ndarray
    places: np.ndarray
    states: np.ndarray
    num_left_out: int


def _index_files(parts: Sequence[Part]) -> _Files:
    """Finds the vectors of every file.

    Raises:
        DataError: There are none for some.
    """
    pieces: list[Path] = []
    columns = tuple(array(code) for code in "qqqqQQ")
    problems, num_left_out = [], 0
    for part in parts:
        position_of = Positions(part.folder / FILES)
        for path in piece_paths(part.folder, SUFFIX):
            first = 0
            for name, state, count in piece_files(path):
                position = position_of(name_digest(name))
                if position is None:
                    num_left_out += 1
                else:
                    place = name_digest(str(place_of_cell(part.folder.parent, name)))
                    line = (position, len(pieces), first, count, place, state)
                    for column, value in zip(columns, line, strict=True):
                        column.append(value)
                first += count
            pieces.append(path)
        problems += position_of.describe_missing(part.folder)
    refuse_missing_files(problems)
    position, *others = (np.array(one) for one in columns)
    order = np.argsort(position, kind="stable")
    # A file that was embedded again, or that the list has under two names, counts once.
    order = order[last_rows(others[3][order])]
    return _Files(pieces, *(one[order] for one in others), num_left_out=num_left_out)


class _Rows:
    """Rows of the table that are collected, `ROW_GROUP` at most.

    Args:
        schema: Of the table.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema, self._names = schema, list[str]()
        dimensions = schema.field("embedding").type.list_size
        # Copied, as slices would hold the whole rows of pieces in memory.
        self._vectors = np.empty((ROW_GROUP, dimensions), np.float32)
        self._times = np.empty((2, ROW_GROUP), np.float64)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, rows: pa.RecordBatch, cell: str, piece: Path) -> None:
        place = slice(len(self), len(self) + len(rows))
        self._vectors[place] = embedding_values(rows.column("embedding"), piece)
        for times, column in zip(self._times, ("start", "end"), strict=True):
            times[place] = rows.column(column).to_numpy()
        self._names += [cell] * len(rows)

    def to_batch(self) -> pa.RecordBatch:
        starts, ends = self._times[:, : len(self)]
        return make_batch(self._schema, self._names, starts, ends, self._vectors[: len(self)])


class _Reader:
    """Reads the vectors of files from the pieces of parts.

    Args:
        files: Where they are.
        schema: Of the table.
        folder: Of the table.
    """

    def __init__(self, files: _Files, schema: pa.Schema, folder: Path) -> None:
        self._files, self._schema, self._folder = files, schema, folder.resolve()
        self._folders = {one.parent: one.parent.parent.resolve() for one in files.pieces}
        self._ends: dict[int, np.ndarray] = {}
        self._opened: OrderedDict[int, pq.ParquetFile] = OrderedDict()
        self._held: OrderedDict[tuple[int, int], pa.RecordBatch] = OrderedDict()
        # The next file is among what is held of its part, as long as parts are in order.
        self._most_held = max(HELD_GROUPS, 2 * len(self._folders))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, `ROW_GROUP` at once."""
        found, files = _Rows(self._schema), self._files
        places = (one.tolist() for one in (files.numbers, files.firsts, files.counts))
        for number, first, count in zip(*places, strict=True):
            at, end = first, first + count
            while at < end:
                rows = self._rows(number, at, min(end, at + ROW_GROUP - len(found)))
                cell = self._cell(number, rows.column("path")[0].as_py())
                found.add(rows, cell, files.pieces[number])
                at += len(rows)
                if len(found) == ROW_GROUP:
                    yield found.to_batch()
                    found = _Rows(self._schema)
        if len(found):
            yield found.to_batch()
        while self._opened:
            self._opened.popitem()[1].close()

    def _cell(self, number: int, cell: str) -> str:
        """A cell of a piece as one of the table."""
        folder = self._folders[self._files.pieces[number].parent]
        if folder == self._folder:
            return cell
        return path_from(self._folder, place_of_cell(folder, cell))

    def _rows(self, number: int, first: int, end: int) -> pa.RecordBatch:
        """Rows of a piece, at least the first one."""
        with refuse_damage(self._files.pieces[number]):
            if number not in self._ends:
                metadata = self._open(number).metadata
                groups = map(metadata.row_group, range(metadata.num_row_groups))
                self._ends[number] = np.cumsum([one.num_rows for one in groups], dtype=np.int64)
            ends = self._ends[number]
            group = int(np.searchsorted(ends, first, "right"))
            if group == len(ends):
                raise ValueError("fewer rows than its files have")
            start = int(ends[group - 1]) if group else 0
            return self._group(number, group).slice(first - start, end - first)

    def _group(self, number: int, group: int) -> pa.RecordBatch:
        key = number, group
        if key not in self._held:
            if len(self._held) == self._most_held:
                self._held.popitem(last=False)
            table = self._open(number).read_row_group(group, columns=list(COLUMNS))
            (self._held[key],) = table.combine_chunks().to_batches()
        self._held.move_to_end(key)
        return self._held[key]

    def _open(self, number: int) -> pq.ParquetFile:
        if number not in self._opened:
            if len(self._opened) == OPEN_PIECES:
                self._opened.popitem(last=False)[1].close()
            self._opened[number] = pq.ParquetFile(self._files.pieces[number])
        self._opened.move_to_end(number)
        return self._opened[number]
