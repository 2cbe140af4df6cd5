"""The results of many files: collected in pieces, so that work can be resumed, then one table.

Until the last file is done, results go to a folder beside the table, in pieces that are written
atomically: an interruption loses at most the last piece. At the end the pieces are merged into the
table, which is written atomically as well, and the folder is removed. Without ``resume``, a
finished table is replaced, even if that work is interrupted and resumed itself::

    results.parquet.pieces/facts.json, 000000.jsonl, 000001.jsonl, ...  ──▶  results.parquet

A hidden file beside the table keeps what the results depend on.
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
from filelock import FileLock, Timeout

from earmark.errors import ConfigError, DataError
from earmark.inference.result_formats import (
    Row,
    plain_name,
    read_json_lines,
    refuse_damage,
    result_format,
)
from earmark.system.files import atomic_open, atomic_write

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
_FACTS = "facts.json"
_KEEPS_TABLE = "keeps_table"


class ResultTable:
    """The results of many files.

    Args:
        path: The table: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The vocabulary, which sets the columns.
        facts: What the results depend on; results with other facts are not mixed with these.
        resume: Continue the pieces of interrupted work, and a finished table.

    Raises:
        ConfigError: As `result_format`; or there are pieces, and ``resume`` is not set; or the
            pieces or the finished table to resume have other facts.
        DataError: Another process is writing this table; or what is to be resumed is damaged or
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
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{path}: another process is writing this file; wait until it has ended"
            ) from None
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
        """Files that were done before this work started."""
        return len(self._done)

    def is_done(self, path: Path) -> bool:
        """Whether a file was done before this work started; memory holds 8 bytes for each."""
        return _is_in(self._done, _digest(str(path)))

    def add(self, result: Row) -> None:
        """Adds a result; writes a piece when it is full, or after `PIECE_SECONDS`."""
        self.num_failed += "error" in result
        self._waiting.append(result)
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or len(self._waiting) >= PIECE_RESULTS:
            self._flush()

    def finish(self) -> None:
        """Merges all pieces into the table, and removes them."""
        self._flush()
        with atomic_open(self.path) as file:
            self._format.write(file, self._rows(), self._labels)
        atomic_write(self._facts_of_table, json.dumps(self._facts))
        # In one step, so that a crash leaves all pieces or none.
        finished = self._pieces.with_name(f".{self._pieces.name}.done")
        shutil.rmtree(finished, ignore_errors=True)
        self._pieces.replace(finished)
        self._is_finished = True
        self._lock.release()
        shutil.rmtree(finished)

    def __enter__(self) -> "ResultTable":
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption: keep the results since the last piece.
        if not self._is_finished:
            self._flush()
            self._close()

    def _close(self) -> None:
        # Only the facts file records that a finished table is to be replaced.
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
        """Whether the rows of a finished table stay; resumed work continues as it started."""
        if self._num_pieces and not resume:
            raise ConfigError(
                f"{self._pieces}: results of interrupted work; continue with --resume, or remove "
                "the folder"
            )
        keeps_table = resume
        if resume and (self._pieces / _FACTS).exists():
            started = _read_facts(self._pieces / _FACTS)
            kept = started.pop(_KEEPS_TABLE, True)
            if self._num_pieces:
                self._refuse_other_facts(self._pieces, started)
            keeps_table = kept or started != self._facts
        if keeps_table and self.path.exists() and self._facts_of_table.exists():
            self._refuse_other_facts(self.path, _read_facts(self._facts_of_table))
        return keeps_table and self.path.exists()

    def _refuse_other_facts(self, source: Path, found: Mapping[str, Any]) -> None:
        if found != self._facts:
            raise ConfigError(
                f"{source}: results of another model or other settings; use those again, or "
                "remove it"
            )

    def _find_done(self) -> np.ndarray:
        in_table = self._digests(self._table_rows())
        first = next(self._piece_rows(), None)
        if first is not None and _is_in(in_table, _digest(first["path"])):
            # Its writer died after writing the table and before removing the pieces.
            for number in reversed(range(self._num_pieces)):
                self._piece(number).unlink()
            self._num_pieces = 0
        return np.sort(np.concatenate([in_table, self._digests(self._piece_rows())]))

    def _digests(self, rows: Iterable[Row]) -> np.ndarray:
        """The digests of the file names, sorted; also counts the failed files."""

        def each() -> Iterator[int]:
            for row in rows:
                self.num_failed += bool(row.get("error"))
                yield _digest(row["path"])

        return np.sort(np.fromiter(each(), np.uint64))

    def _rows(self) -> Iterator[Row]:
        """All rows: those of the table that is kept, and those of the pieces."""
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
    # As a numpy type: for a Python number, numpy would convert the whole array.
    at = int(np.searchsorted(digests, np.uint64(digest)))
    return at < len(digests) and int(digests[at]) == digest


def _digest(name: str) -> int:
    """64 bits of a name; the probability of a collision among a million files is 3e-8."""
    return xxhash.xxh3_64_intdigest(os.fsencode(plain_name(name)))
