"""Measurements of recordings, kept so that a repeated check does not decode them again."""

import json
from dataclasses import asdict
from typing import NamedTuple

from earmark.audio.source import Note
from earmark.data.recording import Recording
from earmark.data.signals.signal import Measurement, SignalStats
from earmark.features.fingerprint_cache import FingerprintCache
from earmark.features.store import ClipKey

CHECK_VERSION = 12
"""Increased whenever the same file gives another measurement, so that old ones are not read.

Where decoding gives other samples, so do fingerprints: increase `FINGERPRINT_VERSION` as well.
"""


class CheckKey(NamedTuple):
    """What a measurement is kept under.

    Args:
        clip: Content of the file, and the excerpt.
        suffix: In small letters; the audit compares it with the format of the content.
    """

    clip: ClipKey
    suffix: str

    @classmethod
    def of(cls, recording: Recording, digest: str) -> "CheckKey":
        """The key of a recording whose file has a content with that digest."""
        return cls(ClipKey.of(digest, recording.excerpt), recording.path.suffix.lower())


class CheckCache(FingerprintCache):
    """Measurements by the content of the file, its suffix and the excerpt."""

    def get(self, key: CheckKey) -> Measurement | None:
        """The measurement under a key, if it is kept."""
        stats, fingerprint = self.read(_name(key)), self.get_fingerprint(key.clip)
        if stats is None or fingerprint is None:
            return None
        values = json.loads(stats)
        values["notes"] = tuple(Note(*note) for note in values["notes"])
        return Measurement(SignalStats(**values), fingerprint)

    def put(self, key: CheckKey, measurement: Measurement) -> None:
        """Keeps a measurement."""
        self.keep(_name(key), json.dumps(asdict(measurement.stats)).encode())
        self.put_fingerprint(key.clip, measurement.fingerprint)


def _name(key: CheckKey) -> str:
    return f"stats|{CHECK_VERSION}|{key.suffix}|{key.clip}"
