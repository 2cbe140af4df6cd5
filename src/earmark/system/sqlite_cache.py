"""Results kept in SQLite, each with a checksum; whatever is damaged is computed again."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from earmark.errors import StoreError
from earmark.system.checksums import checksum

logger = logging.getLogger(__name__)

WRITE_SECONDS = 2.0
_OF_THE_SYSTEM = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
"""Errors that leave the database as it was: a lock, a full disk."""
_CHECKSUM_BYTES = 8

Result = TypeVar("Result")
Cache = TypeVar("Cache", bound="SqliteCache")


class SqliteCache:
    """Bytes by key.

    It writes every few seconds and when the context ends, also after an error, so that other
    processes wait for one write at most. One thread may use it. A damaged database is replaced, and
    a damaged entry is as if it were not there.

    Args:
        path: The database; missing folders are created.

    Raises:
        StoreError: The database cannot be read or written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, SqliteCache(Path(folder) / "a.sqlite") as cache:
        ...     cache.keep("one", b"content")
        ...     cache.read("one"), cache.read("two")
        (b'content', None)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[str, bytes] = {}
        self._written_at = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = self._connect()
        self._attempt(self._create)

    def read(self, key: str) -> bytes | None:
        """What was kept under a key; None if there is nothing, or it is damaged."""
        if key in self._waiting:
            return self._waiting[key]
        row = self._attempt(lambda: self._select(key))
        if row is None or not isinstance(row[0], bytes):
            return None
        expected, content = row[0][:_CHECKSUM_BYTES], row[0][_CHECKSUM_BYTES:]
        return content if expected == _checksum(key, content) else None

    def keep(self, key: str, content: bytes) -> None:
        """Keeps some bytes."""
        self._waiting[key] = content
        if time.monotonic() - self._written_at > WRITE_SECONDS:
            self._write()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=60.0)
        # Damage may turn bytes into text that is not valid.
        database.text_factory = bytes
        return database

    def _create(self) -> None:
        with self._database:
            for table in ("heard", "measurements"):  # of versions without checksums
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, content BLOB)"
            )

    def _select(self, key: str) -> tuple[object] | None:
        query = "SELECT content FROM entries WHERE key = ?"
        return self._database.execute(query, (key,)).fetchone()

    def _insert(self) -> None:
        rows = [(key, _checksum(key, one) + one) for key, one in self._waiting.items()]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)

    def _write(self) -> None:
        if self._waiting:
            self._attempt(self._insert)
        self._waiting.clear()
        self._written_at = time.monotonic()

    def _attempt(self, work: Callable[[], Result]) -> Result:
        """Does something with the database; if that is damaged, with a new one."""
        try:
            return work()
        except sqlite3.Error as error:
            if self._is_of_the_system(error):
                raise self._store_error(error) from error
            logger.warning(f"{self._path}: {error}; the file is damaged and was replaced")
        self._database.close()
        try:
            for suffix in ("", "-journal", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._database = self._connect()
            self._create()
            return work()
        except (sqlite3.Error, OSError) as error:
            raise self._store_error(error) from error

    def _is_of_the_system(self, error: sqlite3.Error) -> bool:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        # A damaged header may declare the file read-only.
        is_declared = code == sqlite3.SQLITE_READONLY and os.access(self._path, os.W_OK)
        return code in _OF_THE_SYSTEM and not is_declared

    def _store_error(self, error: Exception) -> StoreError:
        return StoreError(f"{self._path}: {error}; try again, or give another --store")

    def __enter__(self: Cache) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._database.close()


def _checksum(key: str, content: bytes) -> bytes:
    return checksum(key.encode() + b"\0" + content).to_bytes(_CHECKSUM_BYTES)
