"""The results of many files: collected in pieces, so that work can be resumed, then one table.

Until the last file is done, results go to a folder beside the table, in pieces that are written
atomically: an interruption loses at most the last piece. At the end the pieces are merged into the
table, which is written atomically as well, and the folder is removed. With ``overwrite``, a file
in the place of the table is replaced, even if that work is interrupted and resumed itself::

    results.parquet.pieces/facts.json, 000000.jsonl, 000001.jsonl, ...  ──▶  results.parquet

Hidden files beside the table keep what the results depend on, and the states of the files when they
were predicted: files that have changed since are predicted again.
"""

import itertools
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earmark.errors import ConfigError, DataError
from earmark.inference.result_formats import (
    Row,
    read_json_lines,
    refuse_damage,
    result_format,
)
from earmark.inference.result_index import UNKNOWN, Entry, ResultIndex, name_digest, read_states
from earmark.system.files import atomic_open, atomic_write

logger = logging.getLogger(__name__)

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
_FACTS = "facts.json"
_KEEPS_TABLE = "keeps_table"
_STATE = "file_state"
"""Key of the rows in pieces, not of those in the table."""


class ResultTable:
    """The results of many files.

    Args:
        path: The table: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The vocabulary, which sets the columns.
        facts: What the results depend on; results with other facts are not mixed with these.
        resume: Continue the pieces of interrupted work, and a finished table.
        overwrite: Start again in place of these, or of any other file.

    Raises:
        ConfigError: As `result_format`; or there are pieces or a file, and neither ``resume`` nor
            ``overwrite`` is set; or the pieces or the finished table to resume have other facts.
        DataError: Another process is writing this table; or what is to be resumed is damaged or
            has other columns.
    """

    def __init__(
        self,
        path: Path,
        labels: Sequence[str],
        facts: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path = path
        self._format, self._labels = result_format(path), tuple(labels)
        self._pieces = path.with_name(f"{path.name}.pieces")
        self._facts_of_table = path.with_name(f".{path.name}.{_FACTS}")
        self._states_of_table = path.with_name(f".{path.name}.states.npy")
        self._facts = dict(facts)
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()
        self._is_finished = False
        self._old: Path | None = None
        self._pieces.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._num_pieces = len(list(self._pieces.glob("*.jsonl")))
        try:
            if overwrite:
                self._remove_pieces()
            elif not resume:
                self._refuse_results()
            if self._keeps_table(resume=resume):
                self._old = path
            self._index = ResultIndex(self._entries())
            atomic_write(
                self._pieces / _FACTS, json.dumps({**facts, _KEEPS_TABLE: self._old is not None})
            )
        except BaseException:
            self._close()
            raise

    def _locked(self) -> FileLock:
        lock = FileLock(self._pieces / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{self.path}: another process is writing this file; wait until it has ended"
            ) from None
        return lock

    @property
    def num_done(self) -> int:
        """Files that were done before this work started, less those found to have changed."""
        return self._index.num_done

    @property
    def num_failed(self) -> int:
        """Files that failed, before and now."""
        return self._index.num_failed

    @property
    def num_unknown(self) -> int:
        """Files done before whose state was not kept: they count as unchanged."""
        return self._index.num_unknown

    def is_done(self, path: Path) -> bool:
        """Whether a file was done before this work started, and has not changed since."""
        return self._index.is_done(path)

    def add(self, result: Row) -> None:
        """Adds a result; writes a piece when it is full, or after `PIECE_SECONDS`."""
        state = self._index.add(result["path"], is_failed="error" in result)
        self._waiting.append({**result, _STATE: state})
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or len(self._waiting) >= PIECE_RESULTS:
            self._flush()

    def finish(self) -> None:
        """Merges all pieces into the table, and removes them."""
        self._flush()
        if self._index.num_changed:
            logger.info(
                f"{self._index.num_changed:,} files have changed since, or may have, and were "
                "predicted again"
            )
        with atomic_open(self.path) as file:
            self._format.write(file, self._rows(), self._labels)
        atomic_write(self._states_of_table, self._index.to_bytes())
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
                "".join(f"{json.dumps(one, allow_nan=False)}\n" for one in self._waiting),
            )
            self._num_pieces += 1
            self._waiting = []
        self._flushed_at = time.monotonic()

    def _refuse_results(self) -> None:
        if self._num_pieces:
            raise ConfigError(
                f"{self._pieces}: results of interrupted work; continue with --resume, or start "
                "again with --overwrite"
            )
        if self.path.exists():
            raise ConfigError(
                f"{self.path}: exists; add to it with --resume, replace it with --overwrite, or "
                "choose another name"
            )

    def _remove_pieces(self) -> None:
        """Removes the results of interrupted work, the last first, so that no gap is left."""
        for number in reversed(range(self._num_pieces)):
            self._piece(number).unlink()
        self._num_pieces = 0

    def _keeps_table(self, *, resume: bool) -> bool:
        """Whether the rows of a finished table stay; resumed work continues as it started."""
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

    def _entries(self) -> Iterator[Entry]:
        """What is kept of the rows of the table, and of those of the pieces."""
        if self._old is not None:
            state_of = read_states(self._states_of_table)
            for row in self._format.read(self._old, self._labels):
                name = name_digest(row["path"])
                yield Entry(name, state_of(name), bool(row.get("error")))
        for row in self._piece_rows():
            name = name_digest(row["path"])
            yield Entry(name, row.get(_STATE, UNKNOWN), "error" in row)

    def _rows(self) -> Iterator[Row]:
        """The rows that count: of the table that is kept, and of the pieces."""
        rows = itertools.chain(
            self._format.read(self._old, self._labels) if self._old is not None else (),
            (self._format.to_row(_without_state(row), self._labels) for row in self._piece_rows()),
        )
        return itertools.compress(rows, self._index.kept_rows().tolist())

    def _piece_rows(self) -> Iterator[Row]:
        for number in range(self._num_pieces):
            yield from read_json_lines(self._piece(number))

    def _piece(self, number: int) -> Path:
        return self._pieces / f"{number:06d}.jsonl"


def _read_facts(path: Path) -> dict[str, Any]:
    with refuse_damage(path):
        return json.loads(path.read_text(encoding="utf-8"))


def _without_state(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != _STATE}
