"""Which files of a table of results have a row, and whether each has changed since."""

import io
import logging
import os
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash

from earmark.errors import RemoteError
from earmark.inference.result_formats import plain_name
from earmark.system.file_state import FileState
from earmark.system.remote.path import RemotePath
from earmark.system.shapes import Bool

logger = logging.getLogger(__name__)

UNKNOWN, UNSETTLED, MISSING = range(3)
"""States of a file: there is no record; it was changed just before; there was no such file."""


class Entry(NamedTuple):
    """What the index keeps of a row.

    Args:
        name: `name_digest` of the file's name.
        state: State of the file when it was predicted.
        is_failed: Whether it failed.
    """

    name: int
    state: int
    is_failed: bool


class ResultIndex:
    """The rows of a table by the names of their files; memory holds 25 bytes for each.

    Args:
        rows: Those that are there, in order. Of several for one file the last one counts.

    Example:
        >>> index = ResultIndex([Entry(name_digest("gone.wav"), MISSING, True)])
        >>> index.is_done(Path("gone.wav")), index.is_done(Path("new.wav"))
        (True, False)
    """

    def __init__(self, rows: Iterable[Entry]) -> None:
        names, states, failed = array("Q"), array("Q"), array("B")
        for row in rows:
            names.append(row.name)
            states.append(row.state)
            failed.append(row.is_failed)
        self._names = np.frombuffer(names, np.uint64)
        self._states = np.frombuffer(states, np.uint64)
        self._failed = np.frombuffer(failed, np.bool_)
        self._order = np.argsort(self._names, kind="stable")
        self._new_names, self._new_states = array("Q"), array("Q")
        self._looked: dict[int, int] = {}
        kept = last_rows(self._names)
        self.num_done = int(kept.sum())
        self.num_failed = int(self._failed[kept].sum())
        self.num_changed = 0
        self.num_unknown = int((self._states[kept] == UNKNOWN).sum())

    def is_done(self, path: Path) -> bool:
        """Whether a file had a row before, and is now as it was then.

        A file that is no longer there keeps its row, and so does one without a record of its state.
        """
        name, state = name_digest(str(path)), _state(path)
        self._looked[name] = state
        found = self._find(name)
        if found is None:
            return False
        before = int(self._states[found])
        if state == MISSING or before == UNKNOWN or UNSETTLED != before == state:
            return True
        self.num_changed += 1
        self.num_done -= 1
        self.num_failed -= int(self._failed[found])
        return False

    def add(self, name: str, *, is_failed: bool) -> int:
        """Adds a row; returns the state of its file when `is_done` looked at it."""
        digest = name_digest(name)
        state = self._looked.pop(digest, UNKNOWN)
        self._new_names.append(digest)
        self._new_states.append(state)
        self.num_failed += is_failed
        return state

    def kept_rows(self) -> Bool[np.ndarray, " rows"]:
        """Which rows count, of all old ones and then all new ones: the last of each file."""
        return last_rows(np.concatenate([self._names, np.frombuffer(self._new_names, np.uint64)]))

    def to_bytes(self) -> bytes:
        """The names and states of the rows that count, for `read_states`."""
        kept = self.kept_rows()
        names = np.concatenate([self._names, np.frombuffer(self._new_names, np.uint64)])[kept]
        states = np.concatenate([self._states, np.frombuffer(self._new_states, np.uint64)])[kept]
        return states_to_bytes(names, states)

    def log_changed(self, done: str = "predicted") -> None:
        """Logs how many files had a row and were done again.

        Args:
            done: What was done.
        """
        if self.num_changed:
            logger.info(
                f"{self.num_changed:,} files have changed since, or may have, and were {done} again"
            )

    def _find(self, name: int) -> int | None:
        """The last row of a file."""
        # As a numpy type: for a Python number, numpy would convert the whole array.
        after = int(np.searchsorted(self._names, np.uint64(name), "right", sorter=self._order))
        if not after or int(self._names[self._order[after - 1]]) != name:
            return None
        return int(self._order[after - 1])


def states_to_bytes(names: np.ndarray, states: np.ndarray) -> bytes:
    """The states of files by the digests of their names, for `read_states`."""
    content = io.BytesIO()
    np.save(content, np.stack([names, states]))
    return content.getvalue()


def read_states(path: Path) -> Callable[[int], int]:
    """A function from the digest of a name to the state of the file, as `to_bytes` kept it.

    Args:
        path: The file; where it is missing or damaged, all states are `UNKNOWN`.
    """
    try:
        names, states = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        names = states = np.zeros(0, np.uint64)
    order = np.argsort(names)

    def state(name: int) -> int:
        at = int(np.searchsorted(names, np.uint64(name), sorter=order))
        found = at < len(names) and int(names[order[at]]) == name
        return int(states[order[at]]) if found else UNKNOWN

    return state


def name_digest(name: str) -> int:
    """64 bits of a name; the probability of a collision among a million files is 3e-8."""
    return xxhash.xxh3_64_intdigest(os.fsencode(plain_name(name)))


def _state(path: Path) -> int:
    """A number for the state of a file.

    Inode and device are left out: networks and FUSE give other ones when they are mounted again,
    and predicting everything once more takes long. The inode of a remote file is its version.
    """
    try:
        state = FileState.of(path)
    except RemoteError:
        return UNSETTLED
    except (OSError, ValueError):
        return MISSING
    if not state.is_settled:
        return UNSETTLED
    version = state.inode if isinstance(path, RemotePath) else None
    text = repr((state.size, state.modified_ns, state.changed_ns, *filter(None, [version])))
    return max(xxhash.xxh3_64_intdigest(text.encode()), MISSING + 1)


def last_rows(names: np.ndarray) -> Bool[np.ndarray, " rows"]:
    """Which rows are the last of their name.

    Args:
        names: Digest of the name of each row.
    """
    kept = np.zeros(len(names), bool)
    _, backwards = np.unique(names[::-1], return_index=True)
    kept[len(names) - 1 - backwards] = True
    return kept
