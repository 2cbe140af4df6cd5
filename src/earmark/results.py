"""The results of many files while they are made: kept in whole pieces, and in the end one table.

Until all files are judged their results lie in a folder beside the table, in pieces that are each
written whole, so that an interruption loses the last piece at most. At the end the pieces become
the table, which is written whole as well, and the folder is removed::

    results.parquet.pieces/facts.json, 000000.jsonl, 000001.jsonl, ...  ──▶  results.parquet

What the results depend on stays beside the table, in a hidden file.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from earmark.errors import ConfigError, DataError
from earmark.files import open_whole, write_whole
from earmark.locks import FileLock
from earmark.result_files import Row, plain_name, read_json_lines, refuse_damage, result_format

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
_FACTS = "facts.json"


class ResultTable:
    """The results of many files.

    Args:
        path: The table: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The vocabulary; it makes the columns.
        facts: What the results depend on; those of other facts are not mixed with these.
        resume: Go on with the pieces that an interruption has left, and with a finished table.

    Raises:
        ConfigError: As `earmark.result_files.result_format`; or pieces are there and ``resume`` is
            not given; or the pieces or the finished table to go on with have other facts.
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
        self._check_facts(facts, resume=resume)
        self._old = path if resume and path.exists() else None
        self._pieces.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._pieces / "lock")
        if not self._lock.acquire(wait=False):
            raise DataError(f"{path}: another process writes it; wait until that has ended")
        self._num_pieces = len(list(self._pieces.glob("*.jsonl")))
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()
        try:
            write_whole(self._pieces / _FACTS, json.dumps(dict(facts)))
            self._done = self._find_done()
        except BaseException:
            self._lock.release()
            if not self._num_pieces:
                shutil.rmtree(self._pieces)
            raise

    @property
    def num_done(self) -> int:
        """Files whose results were there from the start."""
        return len(self._done)

    def is_done(self, path: Path) -> bool:
        """Whether a file's result was there from the start; 8 bytes are held for each."""
        digest = _digest(str(path))
        at = int(np.searchsorted(self._done, digest))
        return at < len(self._done) and bool(self._done[at] == digest)

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
        with open_whole(self.path) as file:
            self._format.write(file, self._rows(), self._labels)
        (self._pieces / _FACTS).replace(self._facts_of_table)
        self._lock.release()
        shutil.rmtree(self._pieces)

    def __enter__(self) -> "ResultTable":
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption: what was judged since the last piece is kept, too.
        if self._pieces.exists():
            self._flush()
        self._lock.release()

    def _flush(self) -> None:
        if self._waiting:
            piece = self._pieces / f"{self._num_pieces:06d}.jsonl"
            write_whole(piece, "".join(f"{json.dumps(one)}\n" for one in self._waiting))
            self._num_pieces += 1
            self._waiting = []
        self._flushed_at = time.monotonic()

    def _check_facts(self, facts: Mapping[str, Any], *, resume: bool) -> None:
        kept = self._pieces / _FACTS
        if kept.exists() and not resume:
            raise ConfigError(
                f"{self._pieces}: holds the results of interrupted work; go on with --resume, or "
                "remove the folder"
            )
        old = {self._pieces: kept, self.path: self._facts_of_table} if resume else {}
        for place, known in old.items():
            if not (place.exists() and known.exists()):
                continue
            with refuse_damage(known):
                found = json.loads(known.read_text(encoding="utf-8"))
            if found != dict(facts):
                raise ConfigError(
                    f"{place}: holds the results of another model or other settings; give those "
                    "again, or remove it"
                )

    def _find_done(self) -> np.ndarray:
        def digests() -> Iterator[int]:
            for row in self._rows():
                self.num_failed += bool(row.get("error"))
                yield _digest(row["path"])

        return np.sort(np.fromiter(digests(), np.uint64))

    def _rows(self) -> Iterator[Row]:
        """The rows of the table: those that it has already, and those of the pieces."""
        if self._old is not None:
            yield from self._format.read(self._old, self._labels)
        for number in range(self._num_pieces):
            for result in read_json_lines(self._pieces / f"{number:06d}.jsonl"):
                yield self._format.to_row(result, self._labels)


def _digest(name: str) -> int:
    """64 bits of a name: of a million files two have the same with a chance of 3e-8."""
    return xxhash.xxh3_64_intdigest(os.fsencode(plain_name(name)))
