"""Parts of sharded work: opened, checked to be all of one work, and what their lists name.

::

    NAME.2-of-8/facts.json, 000000.SUFFIX, ..., files.jsonl
"""

import itertools
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import ConfigError, DataError
from earmark.inference.pieces import FACTS, PieceFolder, has_begun, read_facts
from earmark.inference.result_index import name_digest
from earmark.system.numbers import counted
from earmark.system.shards import Shard, ShardFiles, read_positions

FILES = "files.jsonl"
LIST, SHARD = "list", "shard"
"""Keys of the facts of a part: what is known of the whole list when it is finished; which it is."""
DIMENSIONS = "dimensions"
"""Key of the facts of a part that only those of vectors have."""
NAMED_FILES = 3
"""Missing files that are named, of each part."""


@dataclass(frozen=True)
class Part:
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


def part_folder(path: Path, shard: Shard) -> Path:
    """The folder of a part.

    Args:
        path: The table that the shards make together.
        shard: Which of them.

    Example:
        >>> part_folder(Path("results.csv"), Shard(2, 8)).name
        'results.csv.2-of-8'
    """
    return path.with_name(f"{path.name}.{shard.number}-of-{shard.count}")


def begin_part(pieces: PieceFolder, *, resume: bool, overwrite: bool) -> dict[str, Any]:
    """Makes the folder of a part ready.

    Args:
        pieces: The folder.
        resume: Continue interrupted or finished work.
        overwrite: Start again in place of it.

    Returns:
        What the results that are continued depend on; empty if there are none.

    Raises:
        ConfigError: There are results, and neither ``resume`` nor ``overwrite`` is set.
    """
    if overwrite:
        pieces.clear()
    elif not resume:
        pieces.refuse_some()
    else:
        started = pieces.read_facts()
        started.pop(LIST, None)
        return started
    return {}


def finish_part(pieces: PieceFolder, facts: Mapping[str, Any], files: ShardFiles) -> None:
    """Writes that all files of the present list are done.

    Args:
        pieces: The folder of the part.
        facts: What its results depend on.
        files: The list, gone through to its end.
    """
    known = {"num_files": files.num_files, "digest": files.digest}
    pieces.write_facts({**facts, LIST: known})


def holds_vectors(folder: Path) -> bool:
    """Whether a folder is a part of a table of vectors.

    Args:
        folder: Any folder.
    """
    path = folder / FACTS
    return path.is_file() and DIMENSIONS in read_facts(path)


def open_parts(
    folders: Sequence[Path], verb: str, *, ignored: Collection[str] = ()
) -> Sequence[Part]:
    """Opens the parts of one work.

    Args:
        folders: Those of all shards, in any order.
        verb: The command that has made them.
        ignored: Keys of facts in which parts may differ.

    Raises:
        ConfigError: The parts are not of one work.
        DataError: A shard is missing or unfinished, or had another list of files.
    """
    absent = [str(one) for one in folders if not one.exists() or has_begun(one)]
    if absent:
        raise DataError(
            f"cannot be merged: no results in {', '.join(absent)}; run {verb} --shard for each"
        )
    parts = [_open(folder, verb) for folder in folders]
    _refuse_others(parts, ignored)
    _refuse_missing(parts, verb)
    _refuse_other_lists(parts)
    return parts


def _open(folder: Path, verb: str) -> Part:
    path = folder / FACTS
    if not path.is_file():
        raise ConfigError(
            f"{folder}: no part of sharded work, such as results.csv.1-of-8; give the folders that "
            f"{verb} --shard has made"
        )
    facts = read_facts(path)
    known, shard = facts.pop(LIST, None), facts.pop(SHARD, None)
    if shard is None:
        raise ConfigError(f"{folder}: results of no shard; finish them with {verb} --resume")
    return Part(folder, Shard(*shard), facts, known)


def _refuse_others(parts: Sequence[Part], ignored: Collection[str]) -> None:
    first = parts[0]
    for one in parts:
        differing = sorted(
            key
            for key in {*one.facts, *first.facts}.difference(ignored)
            if one.facts.get(key) != first.facts.get(key)
        )
        if differing or one.shard.count != first.shard.count:
            raise ConfigError(
                f"{one.folder}: made with another model, other settings or another number of "
                f"shards ({', '.join(differing) or one.shard.count}) than {first.folder}; merge "
                "parts of one work"
            )


def _refuse_missing(parts: Sequence[Part], verb: str) -> None:
    count = parts[0].shard.count
    folder_of: dict[int, Path] = {}
    for one in parts:
        if folder_of.setdefault(one.shard.number, one.folder) != one.folder:
            raise ConfigError(
                f"{one.folder}: the same shard as {folder_of[one.shard.number]}; give one of them"
            )
    missing = [number for number in range(1, count + 1) if number not in folder_of]
    unfinished = [str(one.folder) for one in parts if one.known is None]
    problems = []
    if missing:
        shards = ", ".join(str(Shard(number, count)) for number in missing)
        problems.append(f"no part of the shards {shards}: run {verb} with --shard for each")
    if unfinished:
        problems.append(f"not finished: {', '.join(unfinished)}: run them again with --resume")
    if problems:
        raise DataError(f"cannot be merged: {'; '.join(problems)}")


def _refuse_other_lists(parts: Sequence[Part]) -> None:
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


class Positions:
    """The places in the list of the files of a part, by the digests of their names.

    Args:
        path: The file of the part.

    Raises:
        DataError: It is missing or damaged.
    """

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
        """Which files had no row, in at most one line.

        Args:
            folder: The part.
        """
        num_missing = int((~self._is_found).sum())
        if not num_missing:
            return []
        names = (name for _, name in read_positions(self._path))
        missing = itertools.compress(names, (~self._is_found).tolist())
        named = ", ".join(itertools.islice(missing, NAMED_FILES))
        more = " and others" if num_missing > NAMED_FILES else ""
        return [f"{folder} has no result of {counted(num_missing, 'file')} ({named}{more})"]


def refuse_missing_files(problems: Sequence[str]) -> None:
    """Checks that no part lacks a file of its list.

    Args:
        problems: What `Positions.describe_missing` found in all parts.

    Raises:
        DataError: One does.
    """
    if problems:
        raise DataError(f"cannot be merged: {'; '.join(problems)}: run them again with --resume")
