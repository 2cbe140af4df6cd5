"""Blocks of remote files on the local disk, within a limit; many processes may share them.

::

    FOLDER/OB/JECT/NUMBER     a checksum, and one block of one version of a file
    FOLDER/evict.lock         held by the process that removes blocks

The name of the object stands for the address and the version of the file, so a file that has
changed is another object. A block is written under a temporary name and renamed: processes that
fetch the same one at once write the same. A block is never changed, and one that is damaged or gone
is fetched again.
"""

import contextlib
import hashlib
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from earmark.system.checksums import checksum

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 17
KEPT_FRACTION = 0.9
"""How full the cache is after some of it was removed."""
LOOK_FRACTION = 0.05
"""A process looks how full the cache is after it wrote so much of the limit."""
_CHECKSUM_BYTES = 8
_LOCK_SECONDS = 10.0


class _File(NamedTuple):
    used_ns: int
    size: int
    path: str


class BlockCache:
    """The blocks of all files. Threads may share it.

    Args:
        folder: Where they lie; made when something is written.
        max_bytes: How large all of them may be. Other processes may exceed it by what they write
            until they look, a twentieth of it each.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        # The first block that a process writes has it look.
        self._num_written = max_bytes
        self._is_usable = max_bytes > 0

    def object_name(self, name: str, version: str, size: int) -> str:
        """What the blocks of one version of a file are kept under.

        Args:
            name: The address, without secrets.
            version: From the server.
            size: Length in bytes.
        """
        text = "\0".join((name, version, str(size), str(BLOCK_BYTES)))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def get(self, object_name: str, number: int) -> bytes | None:
        """A block, if it is kept and undamaged; it counts as used now."""
        if not self._is_usable:
            return None
        path = self._path(object_name, number)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        block = content[_CHECKSUM_BYTES:]
        return block if content[:_CHECKSUM_BYTES] == _sum(block) else None

    def put(self, object_name: str, number: int, block: bytes) -> None:
        """Keeps a block; where the disk does not take it, it is fetched again when it is needed."""
        if not self._is_usable:
            return
        path = self._path(object_name, number)
        temporary = path.with_name(f".{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(_sum(block) + block)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._is_usable = False
            logger.info(f"{self.folder}: remote files are not cached: {error.strerror}")
            return
        self._num_written += len(block)
        if self._num_written > LOOK_FRACTION * self.max_bytes:
            self._num_written = 0
            self.evict()

    def evict(self) -> None:
        """Removes the blocks that were not used for the longest time, if there are too many."""
        from filelock import FileLock, Timeout

        with (
            contextlib.suppress(Timeout, OSError),
            FileLock(self.folder / "evict.lock", timeout=_LOCK_SECONDS),
        ):
            files = sorted(_files(self.folder))
            total = sum(one.size for one in files)
            if total <= self.max_bytes:
                return
            for one in files:
                if total <= KEPT_FRACTION * self.max_bytes:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(one.path)  # noqa: PTH108 - there are many
                    total -= one.size

    def _path(self, object_name: str, number: int) -> Path:
        return self.folder / object_name[:2] / object_name[2:] / str(number)


def _sum(block: bytes) -> bytes:
    return checksum(block).to_bytes(_CHECKSUM_BYTES, "little")


def _files(folder: Path) -> Iterator[_File]:
    """All blocks, also those that a process which was killed left unfinished."""
    for group in _entries(folder):
        for one in _entries(group.path) if group.is_dir(follow_symlinks=False) else ():
            is_empty = True
            for block in _entries(one.path) if one.is_dir(follow_symlinks=False) else ():
                is_empty = False
                with contextlib.suppress(OSError):
                    found = block.stat(follow_symlinks=False)
                    yield _File(found.st_mtime_ns, found.st_size, block.path)
            if is_empty:
                with contextlib.suppress(OSError):
                    os.rmdir(one.path)  # noqa: PTH106


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
