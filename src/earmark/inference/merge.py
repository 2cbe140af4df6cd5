"""Joins the parts of a sharded prediction to the table that one machine would have written."""

import json
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earmark.errors import ConfigError
from earmark.inference.parts import FILES, Part, Positions, open_parts, refuse_missing_files
from earmark.inference.pieces import piece_paths
from earmark.inference.result_formats import Row, refuse_damage, result_format
from earmark.inference.result_index import UNKNOWN, last_rows, name_digest, states_to_bytes
from earmark.inference.result_pieces import STATE, SUFFIX, without_state
from earmark.inference.result_table import refuse_table, write_sidecars
from earmark.system.files import atomic_open
from earmark.system.numbers import counted

OPEN_PIECES = 64
"""Pieces that are open at a time."""


@dataclass(frozen=True)
class Merged:
    """What was joined.

    Args:
        path: The table.
        num_files: Its rows.
        num_failed: Those of them that are failures.
        num_left_out: Results of files that the list of this work no longer has.
    """

    path: Path
    num_files: int
    num_failed: int
    num_left_out: int

    def describe(self) -> str:
        """What it holds, for people."""
        failed = f", {self.num_failed:,} of them failed" if self.num_failed else ""
        return f"{counted(self.num_files, 'file')}{failed}"

    def to_dict(self) -> dict[str, Any]:
        """What ``merge --json`` prints."""
        return {
            "output": str(self.path),
            "num_files": self.num_files,
            "num_failed": self.num_failed,
            "num_left_out": self.num_left_out,
        }


def merge_parts(folders: Sequence[Path], output: Path, *, overwrite: bool = False) -> Merged:
    """Joins parts to the table that one machine would have written, byte for byte.

    The rows stay on disk; memory holds a few numbers for each file.

    Args:
        folders: The parts of all shards, in any order.
        output: The table: ``.csv``, ``.jsonl`` or ``.parquet``, whatever the shards were to write.
        overwrite: Replace a file in its place.

    Raises:
        ConfigError: The parts are not of one work, or the table exists.
        DataError: Something is missing: a shard, the end of one, or results of some files.
    """
    table_format = result_format(output)
    if not overwrite:
        refuse_table(output)
    parts = open_parts(folders, "predict")
    rows = _index_rows(parts)
    facts = {key: one for key, one in parts[0].facts.items() if key != "labels"}
    labels = parts[0].facts["labels"]
    if not table_format.holds_segments and facts["segments"]:
        raise ConfigError(f"{output}: CSV cannot hold segments; name it .jsonl or .parquet")
    with atomic_open(output) as file:
        found = (table_format.to_row(row, labels) for row in rows.read())
        table_format.write(file, found, labels)
    write_sidecars(output, states_to_bytes(rows.names, rows.states), facts)
    return Merged(output, len(rows.names), rows.num_failed, rows.num_left_out)


@dataclass(frozen=True)
class _Rows:
    """Where the rows of all parts are, in the order of the list.

    Args:
        pieces: The files of rows.
        piece: Which of them holds each row.
        offset: Where in it the row starts, in bytes.
        names: Digest of the name of each file.
        states: State of each file.
        num_failed: Rows that are failures.
        num_left_out: Rows of files that the list does not have.
    """

    pieces: Sequence[Path]
    piece: np.ndarray
    offset: np.ndarray
    names: np.ndarray
    states: np.ndarray
    num_failed: int
    num_left_out: int

    def read(self) -> Iterator[Row]:
        """The rows, without states."""
        opened: OrderedDict[int, BinaryIO] = OrderedDict()
        with ExitStack() as stack:
            for at, offset in zip(self.piece.tolist(), self.offset.tolist(), strict=True):
                if at not in opened:
                    if len(opened) == OPEN_PIECES:
                        opened.popitem(last=False)[1].close()
                    opened[at] = stack.enter_context(self.pieces[at].open("rb"))
                opened.move_to_end(at)
                opened[at].seek(offset)
                yield without_state(json.loads(opened[at].readline()))


def _index_rows(parts: Sequence[Part]) -> _Rows:
    """Finds the row of every file.

    Raises:
        DataError: There is none for some.
    """
    pieces: list[Path] = []
    columns = tuple(array(code) for code in "qqqQQB")
    problems, num_left_out = [], 0
    for part in parts:
        position_of = Positions(part.folder / FILES)
        for path in piece_paths(part.folder, SUFFIX):
            for offset, row in _located_rows(path):
                name = name_digest(row["path"])
                position = position_of(name)
                if position is None:
                    num_left_out += 1
                    continue
                line = (position, len(pieces), offset, name, row.get(STATE, UNKNOWN))
                for column, value in zip(columns, (*line, "error" in row), strict=True):
                    column.append(value)
            pieces.append(path)
        problems += position_of.describe_missing(part.folder)
    refuse_missing_files(problems)
    position, *others = (np.array(one) for one in columns)
    order = np.argsort(position, kind="stable")
    # Of several rows of a file, the last one counts.
    order = order[last_rows(position[order])]
    piece, offset, names, states, failed = (one[order] for one in others)
    return _Rows(pieces, piece, offset, names, states, int(failed.sum()), num_left_out)


def _located_rows(path: Path) -> Iterator[tuple[int, Row]]:
    offset = 0
    with path.open("rb") as lines, refuse_damage(path):
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("path"), str):
                raise ValueError(f"no result at byte {offset}")
            yield offset, row
            offset += len(line)
