"""Fingerprints of clips, kept in the store."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.features.fingerprints import FINGERPRINT_VERSION, Fingerprint
from earmark.features.store import ClipKey
from earmark.system.sqlite_cache import SqliteCache

logger = logging.getLogger(__name__)

HELD_BYTES = 1 << 27
"""Fingerprints that are held after they were read: those of about a day of sound."""


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


class KeptFingerprints:
    """Fingerprints of clips, read one by one, so that memory does not grow with their number.

    The last ones are held, up to `HELD_BYTES`.

    Args:
        cache: Where they are kept.
        keys: Which clips. A fingerprint that was lost since has no hashes, so that it matches none;
            a warning is logged.
    """

    def __init__(self, cache: FingerprintCache, keys: Sequence[ClipKey]) -> None:
        self._cache = cache
        self.keys = tuple(keys)
        self._held: OrderedDict[int, Fingerprint] = OrderedDict()
        self._held_bytes = 0
        self._is_warned = False

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Fingerprint:
        if index in self._held:
            self._held.move_to_end(index)
            return self._held[index]
        found = self._cache.get_fingerprint(self.keys[index]) or self._lost()
        self._held[index] = found
        self._held_bytes += found.num_bytes
        while self._held_bytes > HELD_BYTES:
            _, oldest = self._held.popitem(last=False)
            self._held_bytes -= oldest.num_bytes
        return found

    def __iter__(self) -> Iterator[Fingerprint]:
        return (self[index] for index in range(len(self)))

    def _lost(self) -> Fingerprint:
        if not self._is_warned:
            logger.warning(
                "some recordings have no fingerprint in the feature store, so their sound was not "
                "compared with the others; run the command again"
            )
        self._is_warned = True
        return Fingerprint.empty()


def _name(key: ClipKey) -> str:
    return f"fingerprint|{FINGERPRINT_VERSION}|{key}"
