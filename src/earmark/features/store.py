"""Features on disk, keyed by the content of the sound and the settings of the front end.

::

    ROOT/digests.jsonl              path, size, time of change -> digest of the content
    ROOT/SETTINGS/settings.json     the front end's settings; SETTINGS is their digest
    ROOT/SETTINGS/WRITER.f16        frames of many clips, one after another
    ROOT/SETTINGS/WRITER.jsonl      a line a clip: its key, offset in bytes, number of frames

Shards only grow. A clip's line is written after its frames are on disk, so whatever interrupts a
writer, a reader sees whole clips or none; torn lines and lines beyond the data are skipped.
"""

import hashlib
import json
import math
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import platformdirs

from earmark.audio.source import Excerpt
from earmark.config import FeatureConfig
from earmark.errors import AudioError, StoreError
from earmark.system.files import atomic_write
from earmark.system.hashing import content_hash
from earmark.system.shapes import Float16

FRONT_END_VERSION = 3
"""Increased whenever the same settings give other values, so that old stores are not read."""
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
        self._shards: dict[str, np.memmap] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: ClipKey) -> bool:
        return key in self._records

    def __getitem__(self, key: ClipKey) -> Frames:
        """The frames of a clip, mapped from disk.

        Raises:
            StoreError: The clip is not in the store.
        """
        record = self._records.get(key)
        if record is None:
            raise StoreError(f"{self.folder}: no features for {key}; run earmark prepare again")
        shape = record.num_frames, self.config.n_mels
        end = record.offset + 2 * shape[0] * shape[1]
        content = np.asarray(self._shard(record.shard)[record.offset : end])
        return content.view(np.float16).reshape(shape)

    def num_frames(self, key: ClipKey) -> int:
        """Number of frames of a clip."""
        return self._records[key].num_frames

    def refresh(self) -> None:
        """Reads the index again, to see what other writers have added."""
        for index in sorted(self.folder.glob("*.jsonl")):
            shard = index.with_suffix(".f16")
            size = shard.stat().st_size if shard.exists() else 0
            for line in _whole_lines(index):
                end = line["offset"] + line["frames"] * self.config.n_mels * 2
                if end <= size:
                    key = ClipKey.parse(line["key"])
                    self._records[key] = _Record(shard.name, line["offset"], line["frames"])
        self._shards.clear()

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
        self._lines: list[str] = []
        self._committed_at = time.monotonic()

    @property
    def has_written(self) -> bool:
        """Whether any clip was appended."""
        return self._offset > 0

    def append(self, key: ClipKey, frames: Frames) -> None:
        """Writes the frames of a clip; readers see them once they are committed."""
        if self._data is None:
            self._data = self._stem.with_suffix(".f16").open("wb")
        self._data.write(np.ascontiguousarray(frames).data)
        line = {"key": str(key), "offset": self._offset, "frames": len(frames)}
        self._lines.append(json.dumps(line) + "\n")
        self._offset += frames.nbytes
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Flushes the frames to disk, and then their lines in the index."""
        if self._data is not None and self._lines:
            self._data.flush()
            os.fsync(self._data.fileno())
            with self._stem.with_suffix(".jsonl").open("a") as index:
                index.writelines(self._lines)
                index.flush()
                os.fsync(index.fileno())
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


class ContentDigests(AbstractContextManager["ContentDigests"]):
    """Digests of files' contents; a file is read again only if its size or time has changed.

    New digests are saved when the context ends, also after an error.

    Args:
        root: Folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "digests.jsonl"
        self._known = {line["path"]: line for line in _whole_lines(self._path)}
        self._new: list[str] = []

    def digest(self, path: Path) -> str:
        """The digest of a file's content.

        Raises:
            AudioError: The file cannot be read.
        """
        try:
            stat = path.stat()
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {error.strerror}", "missing") from None
        absolute = str(path.absolute())
        known = self._known.get(absolute)
        if known and (known["size"], known["changed_ns"]) == (stat.st_size, stat.st_mtime_ns):
            return known["digest"]
        digest = content_hash(path)
        line = {
            "path": absolute,
            "size": stat.st_size,
            "changed_ns": stat.st_mtime_ns,
            "digest": digest,
        }
        self._known[absolute] = line
        self._new.append(json.dumps(line) + "\n")
        return digest

    def __exit__(self, *_: object) -> None:
        if self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write("".join(self._new))
            self._new.clear()


def _settings_digest(config: FeatureConfig) -> str:
    # Transforms of other lengths were SciPy's before: a value in 5,000 was rounded differently.
    is_power_of_two = config.n_fft & (config.n_fft - 1) == 0
    version = FRONT_END_VERSION + (not is_power_of_two)
    settings = {**config.model_dump(), "f_max": config.top_frequency, "version": version}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that were written whole."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content
