"""Results of many files in pieces, so that an interruption loses at most the last of them.

::

    FOLDER/facts.json, lock, 000000.jsonl, 000001.jsonl, ...
"""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earmark.errors import ConfigError, DataError
from earmark.inference.result_formats import Row, read_json_lines, refuse_damage
from earmark.inference.result_index import UNKNOWN, Entry, name_digest
from earmark.system.files import atomic_write

PIECE_RESULTS, PIECE_SECONDS = 1000, 30.0
FACTS, LOCK = "facts.json", "lock"
STATE = "file_state"
"""Key of the rows in pieces, not of those in a table."""


class ResultPieces:
    """A folder of pieces, which one process at a time may write.

    Args:
        folder: Where they are; it is made.

    Raises:
        DataError: Another process is writing them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: list[Row] = []
        self._flushed_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{folder}: another process is writing these results; wait until it has ended"
            ) from None
        self._paths = piece_paths(folder)

    @property
    def count(self) -> int:
        """How many pieces are written."""
        return len(self._paths)

    @property
    def has_facts(self) -> bool:
        """Whether it was written what the results depend on."""
        return (self.folder / FACTS).exists()

    def read_facts(self) -> dict[str, Any]:
        """What the results depend on; nothing if that was not written yet.

        Raises:
            DataError: The file is damaged.
        """
        return read_facts(self.folder / FACTS) if self.has_facts else {}

    def write_facts(self, facts: Mapping[str, Any]) -> None:
        """Writes what the results depend on."""
        atomic_write(self.folder / FACTS, json.dumps(facts))

    def refuse_some(self) -> None:
        """Checks that there are none.

        Raises:
            ConfigError: There are.
        """
        if self.count:
            raise ConfigError(
                f"{self.folder}: results of interrupted work; continue with --resume, or start "
                "again with --overwrite"
            )

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
            # After the last one, also where one before it was lost.
            number = int(self._paths[-1].stem) + 1 if self._paths else 0
            path = self.folder / f"{number:06d}.jsonl"
            lines = (f"{json.dumps(one, allow_nan=False)}\n" for one in self._waiting)
            atomic_write(path, "".join(lines))
            self._paths.append(path)
            self._waiting = []
        self._flushed_at = time.monotonic()

    def rows(self) -> Iterator[Row]:
        """All results that are written, with the states of their files."""
        for path in self._paths:
            yield from read_json_lines(path)

    def entries(self) -> Iterator[Entry]:
        """What an index keeps of the results."""
        for row in self.rows():
            yield Entry(name_digest(row["path"]), row.get(STATE, UNKNOWN), "error" in row)

    def clear(self) -> None:
        """Removes all pieces, the last first, so that no gap is left."""
        while self._paths:
            self._paths[-1].unlink()
            self._paths.pop()

    def close(self, *, keep: bool = True) -> None:
        """Lets other processes write; removes the folder if it is not to be kept."""
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def remove(self) -> None:
        """Removes the folder in one step, so that a crash leaves all pieces or none."""
        finished = self.folder.with_name(f".{self.folder.name}.done")
        shutil.rmtree(finished, ignore_errors=True)
        self.folder.replace(finished)
        self._lock.release()
        shutil.rmtree(finished)


def piece_paths(folder: Path) -> list[Path]:
    """The pieces in a folder, in order."""
    return sorted(folder.glob("[0-9]*.jsonl"), key=lambda path: int(path.stem))


def has_begun(folder: Path) -> bool:
    """Whether a process has made a folder of pieces, and nothing in it yet."""
    return (folder / LOCK).exists() and not (folder / FACTS).exists()


def read_facts(path: Path) -> dict[str, Any]:
    """Reads what results depend on.

    Args:
        path: The file.

    Raises:
        DataError: It is damaged.
    """
    with refuse_damage(path):
        return json.loads(path.read_text(encoding="utf-8"))


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
