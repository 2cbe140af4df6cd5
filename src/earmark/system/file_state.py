"""Whether a file may have changed, without reading it."""

import os
import time
from pathlib import Path
from typing import NamedTuple

SETTLING_NS = 2_000_000_000
"""The coarsest time stamps of a file system, those of FAT."""


class FileState(NamedTuple):
    """What the file system notes of a file; equal settled states mean equal content.

    Programs can set the time of modification, but not that of the change: it moves with every write
    and, on most file systems, with every renaming. On Windows it is the time of creation, so what
    restores the time of modification goes unnoticed there.

    Args:
        size: In bytes.
        modified_ns: Time of modification, in ns.
        changed_ns: Time of the last change of content, name or attributes, in ns.
        inode: Number of the file on its device.
        device: Number of the device.
        is_settled: Whether the last change was so long before the look at the file that another
            one after it has another time stamp.
    """

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    device: int
    is_settled: bool

    @classmethod
    def of(cls, path: Path) -> "FileState":
        """The state of a file; of its target, if it is a link.

        Raises:
            OSError: The file cannot be found.

        Example:
            >>> from tempfile import NamedTemporaryFile
            >>> with NamedTemporaryFile() as file:
            ...     FileState.of(Path(file.name)).is_settled
            False
        """
        return cls.from_stat(path.stat())

    @classmethod
    def from_stat(cls, stat: os.stat_result) -> "FileState":
        """The state of a file that was looked at just now."""
        return cls(
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
            stat.st_dev,
            is_settled=time.time_ns() - stat.st_ctime_ns > SETTLING_NS,
        )
