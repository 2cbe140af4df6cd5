"""Features on disk, keyed by the content of the sound and the settings of the front end.

::

    ROOT/digests.jsonl              path and state of a file -> digest of its content
    ROOT/checks.sqlite              measurements and fingerprints
    ROOT/SETTINGS/settings.json     the front end's settings; SETTINGS is their digest
    ROOT/SETTINGS/WRITER.f16        frames of many clips, one after another
    ROOT/SETTINGS/WRITER.jsonl      a line a clip: its key, offset in bytes, number of frames, and
                                    the checksum of the frames

Shards only grow. A clip's line is written after its frames are on disk, so whatever interrupts a
writer, a reader sees whole clips or none. Torn and damaged lines and lines beyond the data are
skipped. Frames are compared with their checksum when a process first uses them; a clip that fails
is as if it were not stored. Clips of earlier versions have no checksums and are used as they are.
"""

import hashlib
import json
import math
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import platformdirs

from earmark.audio.source import Excerpt
from earmark.config import FeatureConfig
from earmark.errors import StoreError
from earmark.system.checksums import Line, append_lines, checked_line, checksum, read_lines
from earmark.system.files import atomic_write
from earmark.system.shapes import Float16

FRONT_END_VERSION = 5
"""Increased when the same file and settings give other values, so that old stores are not read."""
COMMIT_SECONDS = 2.0

Frames = Float16[np.ndarray, "frames mels"]


class ClipKey(NamedTuple):
    """What the features of a clip are stored under: the content of its file, and the excerpt.

    As text, in the store's index and in ``recordings.csv``, it is ``DIGEST`` or
    ``DIGEST@START-END``; END is ``None`` where the excerpt goes to the end of the file.

    Args:
        digest: Digest of the file's content.
        start: Start of the excerpt, in seconds.
        end: End of the excerpt, in seconds.

    Example:
        >>> ClipKey.parse("aa@0.5-2.0")
        ClipKey(digest='aa', start=0.5, end=2.0)
        >>> str(ClipKey("aa")), str(ClipKey("aa", 0.5))
        ('aa', 'aa@0.5-None')
    """

    digest: str
    start: float = 0.0
    end: float = math.inf

    @classmethod
    def of(cls, digest: str, excerpt: Excerpt) -> "ClipKey":
        """The key of an excerpt of a file with that content."""
        end = math.inf if excerpt.end is None else float(excerpt.end)
        return cls(digest, float(excerpt.start), end)

    @classmethod
    def parse(cls, text: str) -> "ClipKey":
        """The key that a text stands for.

        Raises:
            ValueError: It is not a key.
        """
        digest, mark, excerpt = text.partition("@")
        if not mark:
            return cls(digest)
        start, _, end = excerpt.rpartition("-")
        return cls(digest, float(start), math.inf if end == "None" else float(end))

    def __str__(self) -> str:
        if self == ClipKey(self.digest):
            return self.digest
        return f"{self.digest}@{self.start}-{None if self.end == math.inf else self.end}"


class _Record(NamedTuple):
    shard: str
    offset: int
    num_frames: int
    checksum: int | None
    is_checked: bool = False


def default_root() -> Path:
    """The store that all commands share, in the user's cache folder."""
    return platformdirs.user_cache_path("earmark") / "features"


class FeatureStore:
    """Reads the features of one setting of the front end.

    Args:
        root: Folder of the store, made when something is written; None is the shared one.
        config: Front-end settings; another setting reads other features.
    """

    def __init__(self, root: Path | str | None, config: FeatureConfig) -> None:
        self.root = default_root() if root is None else Path(root)
        self.config = config
        self.folder = self.root / _settings_digest(config)
        self._records: dict[ClipKey, _Record] = {}
        # A clip that two commands computed at once, or that was damaged, has several.
        self._others: dict[ClipKey, list[_Record]] = {}
        self._shards: dict[str, np.memmap] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: ClipKey) -> bool:
        """Whether the frames of a clip are stored and undamaged; reads them at first use."""
        while record := self._records.get(key):
            if record.is_checked:
                return True
            if record.checksum in (None, checksum(self._bytes(record).data)):
                self._records[key] = record._replace(is_checked=True)
                return True
            others = self._others.get(key)
            if others:
                self._records[key] = others.pop()
            else:
                self._records.pop(key, None)
        return False

    def __getitem__(self, key: ClipKey) -> Frames:
        """The frames of a clip, mapped from disk.

        Raises:
            StoreError: The clip is not in the store, or is damaged.
        """
        if key not in self:
            raise StoreError(
                f"{self.folder}: no features for {key}, or damaged ones; run earmark prepare again"
            )
        record = self._records[key]
        return self._bytes(record).view(np.float16).reshape(record.num_frames, self.config.n_mels)

    def num_frames(self, key: ClipKey) -> int:
        """Number of frames of a clip."""
        return self._records[key].num_frames

    def verify(self, key: ClipKey) -> bool:
        """Whether the frames of a clip have the checksum they were stored with; reads them again.

        A clip without a checksum, of an earlier version, fails.
        """
        record = self._records.get(key)
        if record:
            self._records[key] = record._replace(is_checked=False)
        return key in self and self._records[key].checksum is not None

    def refresh(self) -> None:
        """Reads the index again, to see what other writers have added."""
        self._records = {key: one for key, one in self._records.items() if one.is_checked}
        self._others.clear()
        for index in sorted(self.folder.glob("*.jsonl")):
            shard = index.with_suffix(".f16")
            size = shard.stat().st_size if shard.exists() else 0
            for line in read_lines(index):
                found = _read_record(line, shard.name)
                if found and found[1].offset + self._num_bytes(found[1]) <= size:
                    self._add(*found)
        self._shards.clear()

    def _add(self, key: ClipKey, record: _Record) -> None:
        first = self._records.setdefault(key, record)
        if record in (first, first._replace(is_checked=False)):
            return
        # Those with a checksum come first.
        if first.checksum is None and record.checksum is not None:
            self._records[key], record = record, first
        self._others.setdefault(key, []).append(record)

    def _num_bytes(self, record: _Record) -> int:
        return 2 * record.num_frames * self.config.n_mels

    def _bytes(self, record: _Record) -> np.ndarray:
        end = record.offset + self._num_bytes(record)
        return np.asarray(self._shard(record.shard)[record.offset : end])

    def _shard(self, name: str) -> np.memmap:
        if name not in self._shards:
            # As bytes: a writer that was killed may leave half a number at the end.
            self._shards[name] = np.memmap(self.folder / name, np.uint8, mode="r")
        return self._shards[name]

    @contextmanager
    def writer(self) -> Iterator["StoreWriter"]:
        """A writer with a shard of its own, which is committed and read when the context ends."""
        if not (self.folder / "settings.json").exists():
            settings = json.dumps(self.config.model_dump(), indent=2) + "\n"
            atomic_write(self.folder / "settings.json", settings)
        writer = StoreWriter(self.folder)
        try:
            yield writer
        finally:
            writer.close()
            if writer.has_written:
                self.refresh()


class StoreWriter:
    """Appends clips to a shard. One thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._stem = folder / uuid.uuid4().hex
        self._data: BinaryIO | None = None
        self._offset = 0
        self._lines: list[bytes] = []
        self._committed_at = time.monotonic()

    @property
    def has_written(self) -> bool:
        """Whether any clip was appended."""
        return self._offset > 0

    def append(self, key: ClipKey, frames: Frames) -> None:
        """Writes the frames of a clip; readers see them once they are committed."""
        if self._data is None:
            self._data = self._stem.with_suffix(".f16").open("wb")
        content = np.ascontiguousarray(frames).data
        self._data.write(content)
        line = {
            "key": str(key),
            "offset": self._offset,
            "frames": len(frames),
            "checksum": checksum(content),
        }
        self._lines.append(checked_line(line))
        self._offset += frames.nbytes
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Flushes the frames to disk, and then their lines in the index."""
        if self._data is not None and self._lines:
            self._data.flush()
            os.fsync(self._data.fileno())
            append_lines(self._stem.with_suffix(".jsonl"), self._lines)
            self._lines.clear()
        self._committed_at = time.monotonic()

    def close(self) -> None:
        """Commits and closes the shard."""
        try:
            self.commit()
        finally:
            if self._data is not None:
                self._data.close()
                self._data = None


def _settings_digest(config: FeatureConfig) -> str:
    settings = {
        **config.model_dump(exclude={"embedder"}),
        "f_max": config.top_frequency,
        "version": FRONT_END_VERSION,
    }
    if config.embedder is not None:
        # Wherever its file is.
        settings["embedder"] = config.embedder.model_dump(exclude={"file", "licence"})
    text = json.dumps(settings, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _read_record(line: Line, shard: str) -> tuple[ClipKey, _Record] | None:
    """A line of the index; None if it is damaged, which only one without a checksum can be."""
    content = line.content
    text, offset, num_frames = content.get("key"), content.get("offset"), content.get("frames")
    if not (type(text) is str and type(offset) is int and type(num_frames) is int):
        return None
    try:
        key = ClipKey.parse(text)
    except ValueError:
        return None
    if offset < 0 or num_frames < 1:
        return None
    return key, _Record(
        shard, offset, num_frames, content["checksum"] if line.has_checksum else None
    )
