"""Results of many files as lines of JSON, in pieces."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import ConfigError
from earmark.inference.pieces import PieceFolder
from earmark.inference.result_formats import Row, read_json_lines
from earmark.inference.result_index import UNKNOWN, Entry, name_digest
from earmark.inference.resumable import ResumableWork
from earmark.system.files import atomic_write

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
SUFFIX = ".jsonl"
STATE = "file_state"
"""Key of the rows in pieces, not of those in a table."""


class ResultPieces(PieceFolder):
    """A folder of pieces with results.

    Args:
        folder: As for `PieceFolder`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SUFFIX)
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()

    def add(self, result: Row, state: int) -> None:
        """Adds a result; writes a piece when it is full, or after `PIECE_SECONDS`.

        Args:
            result: As ``predict --json`` prints it.
            state: Of its file.
        """
        self._waiting.append({**result, STATE: state})
        is_late = time.monotonic() > self._flushed_at + PIECE_SECONDS
        if is_late or len(self._waiting) >= PIECE_RESULTS:
            self.flush()

    def flush(self) -> None:
        """Writes what waits as a piece."""
        if self._waiting:
            path = self.next_path()
            lines = (f"{json.dumps(one, allow_nan=False)}\n" for one in self._waiting)
            atomic_write(path, "".join(lines))
            self.paths.append(path)
            self._waiting = []
        self._flushed_at = time.monotonic()

    def rows(self) -> Iterator[Row]:
        """All results that are written, with the states of their files."""
        for path in self.paths:
            yield from read_json_lines(path)

    def entries(self) -> Iterator[Entry]:
        """What an index keeps of the results."""
        for row in self.rows():
            yield Entry(name_digest(row["path"]), row.get(STATE, UNKNOWN), "error" in row)


class ResumableResults(ResumableWork[ResultPieces]):
    """Results that are collected in pieces; what tables and parts of them have in common.

    Args:
        path: Where they go.
        pieces: What waits there already, and receives new ones.
    """

    def __init__(self, path: Path, pieces: ResultPieces) -> None:
        super().__init__(pieces)
        self.path = path

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
        """Adds a result; see `ResultPieces.add`."""
        state = self._index.add(result["path"], is_failed="error" in result)
        self._pieces.add(result, state)


def refuse_other_facts(source: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Checks that results depend on the same.

    Args:
        source: Where the results are.
        found: What they depend on.
        expected: What new ones depend on.

    Raises:
        ConfigError: They do not.
    """
    if dict(found) != dict(expected):
        raise ConfigError(
            f"{source}: results of another model or other settings; use those again, or remove it"
        )


def without_state(row: Row) -> Row:
    """A row of a piece as ``predict --json`` prints it."""
    return {key: value for key, value in row.items() if key != STATE}
