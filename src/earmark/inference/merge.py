"""Joins the parts of a sharded prediction to the table that one machine would have written."""

import itertools
import json
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earmark.errors import ConfigError, DataError
from earmark.inference.pieces import FACTS as FACTS_FILE
from earmark.inference.pieces import has_begun, piece_paths, read_facts
from earmark.inference.result_formats import Row, refuse_damage, result_format
from earmark.inference.result_index import UNKNOWN, name_digest, states_to_bytes
from earmark.inference.result_part import FILES, LIST
from earmark.inference.result_pieces import STATE, SUFFIX, without_state
from earmark.inference.result_table import refuse_table, write_sidecars
from earmark.system.files import atomic_open
from earmark.system.numbers import counted
from earmark.system.shards import Shard, read_positions

OPEN_PIECES = 64
"""Pieces that are open at a time."""
NAMED_FILES = 3
"""Missing files that are named, of each part."""


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

    def to_dict(self) -> dict[str, Any]:
        """What ``merge --json`` prints."""
        return {
            "output": str(self.path),
            "num_files": self.num_files,
            "num_failed": self.num_failed,
            "num_left_out": self.num_left_out,
        }


@dataclass(frozen=True)
class _Part:
    """A part as it was found.

    Args:
        folder: Where it is.
        shard: Which one.
        facts: What its results depend on.
        known: What is known of the whole list; None if it is unfinished.
    """

    folder: Path
    shard: Shard
    facts: Mapping[str, Any]
    known: Mapping[str, Any] | None


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
    absent = [str(one) for one in folders if not one.exists() or has_begun(one)]
    if absent:
        raise DataError(
            f"cannot be merged: no results in {', '.join(absent)}; run predict --shard for each"
        )
    parts = [_open_part(folder) for folder in folders]
    _check(parts)
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


def _open_part(folder: Path) -> _Part:
    path = folder / FACTS_FILE
    if not path.is_file():
        raise ConfigError(
            f"{folder}: no part of a sharded prediction, such as results.csv.1-of-8; give the "
            "folders that predict --shard has made"
        )
    facts = read_facts(path)
    known, shard = facts.pop(LIST, None), facts.pop("shard", None)
    if shard is None:
        raise ConfigError(f"{folder}: results of no shard; finish them with predict --resume")
    return _Part(folder, Shard(*shard), facts, known)


def _check(parts: Sequence[_Part]) -> None:
    """Checks that parts belong together, and that none is missing."""
    first = parts[0]
    for one in parts:
        if one.facts != first.facts or one.shard.count != first.shard.count:
            raise ConfigError(
                f"{one.folder}: made with another model, other settings or another number of "
                f"shards than {first.folder}; merge parts of one work"
            )
    folder_of: dict[int, Path] = {}
    for one in parts:
        if folder_of.setdefault(one.shard.number, one.folder) != one.folder:
            raise ConfigError(
                f"{one.folder}: the same shard as {folder_of[one.shard.number]}; give one of them"
            )
    missing = [n for n in range(1, first.shard.count + 1) if n not in folder_of]
    unfinished = [str(one.folder) for one in parts if one.known is None]
    problems = []
    if missing:
        shards = ", ".join(str(Shard(number, first.shard.count)) for number in missing)
        problems.append(f"no part of the shards {shards}: run predict with --shard for each")
    if unfinished:
        problems.append(f"not finished: {', '.join(unfinished)}: run them again with --resume")
    if problems:
        raise DataError(f"cannot be merged: {'; '.join(problems)}")
    _check_lists(parts)


def _check_lists(parts: Sequence[_Part]) -> None:
    """Checks that the shards divided the same list."""
    known = [one.known or {} for one in parts]
    longest = max(known, key=lambda one: one["num_files"])
    others = [
        f"{part.folder} ({counted(one['num_files'], 'file')})"
        for part, one in zip(parts, known, strict=True)
        if one != longest
    ]
    if others:
        raise DataError(
            f"cannot be merged: made from other lists of files than the longest one "
            f"({counted(longest['num_files'], 'file')}): {', '.join(others)}; run these shards "
            "again with --resume, with the same paths"
        )


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


def _index_rows(parts: Sequence[_Part]) -> _Rows:
    """Finds the row of every file.

    Raises:
        DataError: There is none for some.
    """
    pieces: list[Path] = []
    columns = tuple(array(code) for code in "qqqQQB")
    problems, num_left_out = [], 0
    for part in parts:
        position_of = _Positions(part.folder / FILES)
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
    if problems:
        raise DataError(f"cannot be merged: {'; '.join(problems)}: run them again with --resume")
    position, *others = (np.array(one) for one in columns)
    order = np.argsort(position, kind="stable")
    # Of several rows of a file, the last one counts.
    is_last = np.append(np.diff(position[order]) > 0, True)[: len(order)]
    piece, offset, names, states, failed = (one[order[is_last]] for one in others)
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


class _Positions:
    """The places in the list of the files of a part, by the digests of their names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        names, positions = array("Q"), array("q")
        if not path.is_file():
            raise DataError(f"{path}: missing; run the command of this shard again with --resume")
        for position, name in read_positions(path):
            names.append(name_digest(name))
            positions.append(position)
        self._names, self._positions = np.array(names), np.array(positions)
        self._order = np.argsort(self._names)
        self._is_found = np.zeros(len(names), bool)

    def __call__(self, name: int) -> int | None:
        """The position of a file; None if the list does not have it."""
        after = int(np.searchsorted(self._names, np.uint64(name), sorter=self._order))
        if after == len(self._names) or int(self._names[self._order[after]]) != name:
            return None
        at = self._order[after]
        self._is_found[at] = True
        return int(self._positions[at])

    def describe_missing(self, folder: Path) -> list[str]:
        """Which files had no row, in at most one line."""
        num_missing = int((~self._is_found).sum())
        if not num_missing:
            return []
        names = (name for _, name in read_positions(self._path))
        missing = itertools.compress(names, (~self._is_found).tolist())
        named = ", ".join(itertools.islice(missing, NAMED_FILES))
        more = " and others" if num_missing > NAMED_FILES else ""
        return [f"{folder} has no result of {counted(num_missing, 'file')} ({named}{more})"]
