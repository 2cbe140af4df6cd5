"""The results of many files while they are made: kept in whole pieces, and in the end one table.

Until all files are judged their results lie in a folder beside the table, in pieces that are each
written whole, so that an interruption loses the last piece at most. At the end the pieces become
the table, which is written whole as well, and the folder is removed. Work that was not told to go
on with a finished table replaces it then, however often it is interrupted itself::

    results.parquet.pieces/facts.json, 000000.jsonl, 000001.jsonl, ...  ──▶  results.parquet

What the results depend on stays beside the table, in a hidden file.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from earmark.errors import ConfigError, DataError
from earmark.inference.result_formats import (
    Row,
    plain_name,
    read_json_lines,
    refuse_damage,
    result_format,
)
from earmark.system.files import atomic_open, atomic_write
from earmark.system.locks import FileLock

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
_FACTS = "facts.json"
_KEEPS_TABLE = "keeps_table"


class ResultTable:
    """The results of many files.

    Args:
        path: The table: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The vocabulary; it makes the columns.
        facts: What the results depend on; those of other facts are not mixed with these.
        resume: Go on with the pieces that an interruption has left, and with a finished table.

    Raises:
        ConfigError: As `result_format`; or pieces are there and ``resume`` is not
            given; or the pieces or the finished table to go on with have other facts.
        DataError: Another process writes this table, or what is to be gone on with is damaged or
            has other columns.
    """

    def __init__(
        self, path: Path, labels: Sequence[str], facts: Mapping[str, Any], *, resume: bool
    ) -> None:
        self.path = path
        self.num_failed = 0
        self._format, self._labels = result_format(path), tuple(labels)
        self._pieces = path.with_name(f"{path.name}.pieces")
        self._facts_of_table = path.with_name(f".{path.name}.{_FACTS}")
        self._facts = dict(facts)
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()
        self._is_finished = False
        self._old: Path | None = None
        self._pieces.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._pieces / "lock")
        if not self._lock.acquire(wait=False):
            raise DataError(f"{path}: another process writes it; wait until that has ended")
        self._num_pieces = len(list(self._pieces.glob("*.jsonl")))
        try:
            if self._keeps_table(resume=resume):
                self._old = path
            self._done = self._find_done()
            atomic_write(
                self._pieces / _FACTS, json.dumps({**facts, _KEEPS_TABLE: self._old is not None})
            )
        except BaseException:
            self._close()
            raise

    @property
    def num_done(self) -> int:
        """Files whose results were there from the start."""
        return len(self._done)

    def is_done(self, path: Path) -> bool:
        """Whether a file's result was there from the start; 8 bytes are held for each."""
        return _is_in(self._done, _digest(str(path)))

    def add(self, result: Row) -> None:
        """Takes one result; a piece is written when it is full, or its time has come."""
        self.num_failed += "error" in result
        self._waiting.append(result)
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or len(self._waiting) >= PIECE_RESULTS:
            self._flush()

    def finish(self) -> None:
        """Makes the table of all pieces, and removes them."""
        self._flush()
        with atomic_open(self.path) as file:
            self._format.write(file, self._rows(), self._labels)
        atomic_write(self._facts_of_table, json.dumps(self._facts))
        # At once, so that no part of the pieces is taken for the whole of them.
        finished = self._pieces.with_name(f".{self._pieces.name}.done")
        shutil.rmtree(finished, ignore_errors=True)
        self._pieces.replace(finished)
        self._is_finished = True
        self._lock.release()
        shutil.rmtree(finished)

    def __enter__(self) -> "ResultTable":
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption: what was judged since the last piece is kept, too.
        if not self._is_finished:
            self._flush()
            self._close()

    def _close(self) -> None:
        # That a finished table is to be replaced is known by the facts alone.
        replaces = self.path.exists() and (self._pieces / _FACTS).exists() and self._old is None
        if not (self._num_pieces or replaces):
            shutil.rmtree(self._pieces, ignore_errors=True)
        self._lock.release()

    def _flush(self) -> None:
        if self._waiting:
            atomic_write(
                self._piece(self._num_pieces),
                "".join(f"{json.dumps(one)}\n" for one in self._waiting),
            )
            self._num_pieces += 1
            self._waiting = []
        self._flushed_at = time.monotonic()

    def _keeps_table(self, *, resume: bool) -> bool:
        """Whether the rows of a finished table stay, as the work that is gone on with began."""
        if self._num_pieces and not resume:
            raise ConfigError(
                f"{self._pieces}: holds the results of interrupted work; go on with --resume, or "
                "remove the folder"
            )
        keeps_table = resume
        if resume and (self._pieces / _FACTS).exists():
            begun = _read_facts(self._pieces / _FACTS)
            kept = begun.pop(_KEEPS_TABLE, True)
            if self._num_pieces:
                self._refuse_others(self._pieces, begun)
            keeps_table = kept or begun != self._facts
        if keeps_table and self.path.exists() and self._facts_of_table.exists():
            self._refuse_others(self.path, _read_facts(self._facts_of_table))
        return keeps_table and self.path.exists()

    def _refuse_others(self, place: Path, found: Mapping[str, Any]) -> None:
        if found != self._facts:
            raise ConfigError(
                f"{place}: holds the results of another model or other settings; give those "
                "again, or remove it"
            )

    def _find_done(self) -> np.ndarray:
        in_table = self._digests(self._table_rows())
        first = next(self._piece_rows(), None)
        if first is not None and _is_in(in_table, _digest(first["path"])):
            # Its writer died between making the table of these pieces and removing them.
            for number in reversed(range(self._num_pieces)):
                self._piece(number).unlink()
            self._num_pieces = 0
        return np.sort(np.concatenate([in_table, self._digests(self._piece_rows())]))

    def _digests(self, rows: Iterable[Row]) -> np.ndarray:
        """Those of the names, sorted; failures are counted on the way."""

        def each() -> Iterator[int]:
            for row in rows:
                self.num_failed += bool(row.get("error"))
                yield _digest(row["path"])

        return np.sort(np.fromiter(each(), np.uint64))

    def _rows(self) -> Iterator[Row]:
        """The rows of the table: those that it keeps, and those of the pieces."""
        yield from self._table_rows()
        yield from self._piece_rows()

    def _table_rows(self) -> Iterator[Row]:
        if self._old is not None:
            yield from self._format.read(self._old, self._labels)

    def _piece_rows(self) -> Iterator[Row]:
        for number in range(self._num_pieces):
            for result in read_json_lines(self._piece(number)):
                yield self._format.to_row(result, self._labels)

    def _piece(self, number: int) -> Path:
        return self._pieces / f"{number:06d}.jsonl"


def _read_facts(path: Path) -> dict[str, Any]:
    with refuse_damage(path):
        return json.loads(path.read_text(encoding="utf-8"))


def _is_in(digests: np.ndarray, digest: int) -> bool:
    # As numpy's own type: a Python number would make it convert the whole array.
    at = int(np.searchsorted(digests, np.uint64(digest)))
    return at < len(digests) and int(digests[at]) == digest


def _digest(name: str) -> int:
    """64 bits of a name: of a million files two have the same with a chance of 3e-8."""
    return xxhash.xxh3_64_intdigest(os.fsencode(plain_name(name)))
