"""What was heard of each file, kept so that a repeated check does not read it again."""

import json
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from earmark.check.fingerprints import Fingerprint
from earmark.check.listening import Facts
from earmark.manifest import Recording

CHECK_VERSION = 4
"""Counted up whenever the same file gives other facts, so that old ones are not read."""
COMMIT_SECONDS = 2.0


class CheckCache(AbstractContextManager["CheckCache"]):
    """Facts and fingerprints by path, size and time of change of a file, and the excerpt.

    Committed every few seconds and at the end, however it ends. One thread may use it.

    Args:
        root: Folder of the feature store, which holds ``checks.sqlite`` as well.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(root / "checks.sqlite", timeout=60.0)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS heard (key TEXT PRIMARY KEY, facts TEXT, print BLOB)"
        )
        self._committed_at = time.monotonic()

    def get(self, key: str) -> tuple[Facts, Fingerprint] | None:
        """What was heard before."""
        query = "SELECT facts, print FROM heard WHERE key = ?"
        row = self._database.execute(query, (key,)).fetchone()
        return (Facts(**json.loads(row[0])), Fingerprint.from_bytes(row[1])) if row else None

    def put(self, key: str, facts: Facts, print_: Fingerprint) -> None:
        """Keeps what was heard."""
        row = key, json.dumps(asdict(facts)), print_.to_bytes()
        self._database.execute("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", row)
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            self._database.commit()
            self._committed_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._database.commit()
        self._database.close()


def cache_key(recording: Recording) -> str | None:
    """What tells a recording's content apart without reading it; None when it is missing."""
    try:
        stat = recording.path.stat()
    except OSError:
        return None
    parts = (CHECK_VERSION, ascii(str(recording.path.absolute())), str(recording.excerpt))
    return "|".join(map(str, (*parts, stat.st_size, stat.st_mtime_ns)))
