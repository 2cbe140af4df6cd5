"""Fingerprints of clips, kept in the store."""

from pathlib import Path

from earmark.features.fingerprints import FINGERPRINT_VERSION, Fingerprint
from earmark.features.store import ClipKey
from earmark.system.sqlite_cache import SqliteCache


class FingerprintCache(SqliteCache):
    """Fingerprints by the content of the file and the excerpt.

    Args:
        root: Folder of the feature store, which also holds ``checks.sqlite``.

    Raises:
        StoreError: The database cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root / "checks.sqlite")

    def get_fingerprint(self, key: ClipKey) -> Fingerprint | None:
        """The fingerprint of a clip, if it is kept."""
        content = self.read(_name(key))
        return None if content is None else Fingerprint.from_bytes(content)

    def put_fingerprint(self, key: ClipKey, fingerprint: Fingerprint) -> None:
        """Keeps the fingerprint of a clip."""
        self.keep(_name(key), fingerprint.to_bytes())


def _name(key: ClipKey) -> str:
    return f"fingerprint|{FINGERPRINT_VERSION}|{key}"
