"""A folder of numbered pieces of a result, so that an interruption loses at most the last of them.

::

    FOLDER/facts.json, lock, 000000.SUFFIX, 000001.SUFFIX, ...
"""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earmark.errors import ConfigError, DataError
from earmark.inference.result_formats import refuse_damage
from earmark.system.files import atomic_write

FACTS, LOCK = "facts.json", "lock"


class PieceFolder(ABC):
    """A folder of pieces, which one process at a time may write.

    Args:
        folder: Where they are; it is made.
        suffix: Of the pieces, with its dot.

    Raises:
        DataError: Another process is writing them.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self._suffix = folder, suffix
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"{folder}: another process is writing these results; wait until it has ended"
            ) from None
        self.paths = piece_paths(folder, suffix)

    @abstractmethod
    def flush(self) -> None:
        """Writes what waits as a piece."""

    @property
    def count(self) -> int:
        """How many pieces are written."""
        return len(self.paths)

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

    def next_path(self) -> Path:
        """The name of the next piece: after the last one, also where one before it was lost."""
        number = int(self.paths[-1].stem) + 1 if self.paths else 0
        return self.folder / f"{number:06d}{self._suffix}"

    def clear(self) -> None:
        """Removes all pieces, the last first, so that no gap is left."""
        while self.paths:
            self.paths[-1].unlink()
            self.paths.pop()

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


def piece_paths(folder: Path, suffix: str) -> list[Path]:
    """The pieces in a folder, in order."""
    return sorted(folder.glob(f"[0-9]*{suffix}"), key=lambda path: int(path.stem))


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
