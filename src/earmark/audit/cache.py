"""What was heard of each file, kept so that a repeated check does not read it again."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path

from earmark.audit.fingerprints import Fingerprint
from earmark.audit.signal import SignalStats
from earmark.data.manifest import Recording
from earmark.errors import StoreError

CHECK_VERSION = 5
"""SampleCounter up whenever the same file gives other facts, so that old ones are not read."""
WRITE_SECONDS = 2.0


class CheckCache(AbstractContextManager["CheckCache"]):
    """SignalStats and fingerprints by path, size and time of change of a file, and the excerpt.

    Written every few seconds and at the end, however it ends, so that others wait no longer than a
    write takes. One thread may use it.

    Args:
        root: Folder of the feature store, which holds ``checks.sqlite`` as well.

    Raises:
        StoreError: The database is damaged, or cannot be written.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._path = root / "checks.sqlite"
        self._database = sqlite3.connect(self._path, timeout=60.0)
        with self._told():
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS heard (key TEXT PRIMARY KEY, facts TEXT, print BLOB)"
            )
        self._waiting: list[tuple[str, str, bytes]] = []
        self._written_at = time.monotonic()

    def get(self, key: str) -> tuple[SignalStats, Fingerprint] | None:
        """What was heard before."""
        query = "SELECT facts, print FROM heard WHERE key = ?"
        with self._told():
            row = self._database.execute(query, (key,)).fetchone()
        return (SignalStats(**json.loads(row[0])), Fingerprint.from_bytes(row[1])) if row else None

    def put(self, key: str, facts: SignalStats, print_: Fingerprint) -> None:
        """Keeps what was heard."""
        self._waiting.append((key, json.dumps(asdict(facts)), print_.to_bytes()))
        if time.monotonic() - self._written_at > WRITE_SECONDS:
            self._write()

    def _write(self) -> None:
        with self._told(), self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", self._waiting
            )
        self._waiting.clear()
        self._written_at = time.monotonic()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # What is locked, full or not for us to write is whole; anything else is damage.
            is_whole = isinstance(error, sqlite3.OperationalError)
            mend = (
                "try again, or give another --store" if is_whole else "remove it, it is made anew"
            )
            raise StoreError(f"{self._path}: {error}; {mend}") from error

    def __exit__(self, *_: object) -> None:
        self._write()
        self._database.close()


def cache_key(recording: Recording) -> str | None:
    """What tells a recording's content apart without reading it; None when it is missing."""
    try:
        stat = recording.path.stat()
    except OSError:
        return None
    parts = (CHECK_VERSION, ascii(str(recording.path.absolute())), str(recording.excerpt))
    return "|".join(map(str, (*parts, stat.st_size, stat.st_mtime_ns)))
