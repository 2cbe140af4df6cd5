"""Measurements of recordings, kept so that a repeated check does not decode them again."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path

from earmark.audio.source import Note
from earmark.audit.fingerprints import Fingerprint
from earmark.audit.signal import Measurement, SignalStats
from earmark.data.recording import Recording
from earmark.errors import StoreError

CHECK_VERSION = 8
"""Increased whenever the same file gives another measurement, so that old ones are not read."""
WRITE_SECONDS = 2.0


class CheckCache(AbstractContextManager["CheckCache"]):
    """Measurements by the content of the file and the excerpt.

    It writes every few seconds and when the context ends, also after an error, so that other
    processes wait for one write at most. One thread may use it.

    Args:
        root: Folder of the feature store, which also holds ``checks.sqlite``.

    Raises:
        StoreError: The database is damaged, or cannot be written.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._path = root / "checks.sqlite"
        self._database = sqlite3.connect(self._path, timeout=60.0)
        with self._store_errors(), self._database:
            # Of versions up to 5, which kept measurements by path.
            self._database.execute("DROP TABLE IF EXISTS heard")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS measurements "
                "(key TEXT PRIMARY KEY, stats TEXT, fingerprint BLOB)"
            )
        self._waiting: list[tuple[str, str, bytes]] = []
        self._written_at = time.monotonic()

    def get(self, key: str) -> Measurement | None:
        """The measurement under a key."""
        query = "SELECT stats, fingerprint FROM measurements WHERE key = ?"
        with self._store_errors():
            row = self._database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        stats = json.loads(row[0])
        stats["notes"] = tuple(Note(*note) for note in stats["notes"])
        return Measurement(SignalStats(**stats), Fingerprint.from_bytes(row[1]))

    def put(self, key: str, measurement: Measurement) -> None:
        """Keeps a measurement."""
        stats = json.dumps(asdict(measurement.stats))
        self._waiting.append((key, stats, measurement.fingerprint.to_bytes()))
        if time.monotonic() - self._written_at > WRITE_SECONDS:
            self._write()

    def _write(self) -> None:
        with self._store_errors(), self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?)", self._waiting
            )
        self._waiting.clear()
        self._written_at = time.monotonic()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Raises an error of the database as one of the store."""
        try:
            yield
        except sqlite3.Error as error:
            # An operational error, such as a lock or a full disk, leaves the database intact.
            intact = isinstance(error, sqlite3.OperationalError)
            fix = "try again, or give another --store" if intact else "delete it and try again"
            raise StoreError(f"{self._path}: {error}; {fix}") from error

    def __exit__(self, *_: object) -> None:
        self._write()
        self._database.close()


def cache_key(recording: Recording, digest: str) -> str:
    """The key of a recording's measurement.

    The suffix is part of it, because the audit compares it with the format of the content.

    Args:
        recording: The recording.
        digest: Digest of the content of its file.
    """
    parts = (CHECK_VERSION, digest, recording.path.suffix.lower(), recording.excerpt)
    return "|".join(map(str, parts))
