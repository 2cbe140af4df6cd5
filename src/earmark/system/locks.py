"""Locks between processes that the system lifts when their holder dies, however it dies."""

import fcntl
from pathlib import Path
from typing import IO, Any


class FileLock:
    """An exclusive lock on a file; two of them exclude each other in one process as well.

    Args:
        path: The file; it is made when it is missing, and its content is left alone.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "lock"
        >>> with FileLock(path):
        ...     FileLock(path).acquire(wait=False)
        False
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[Any] | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Takes the lock; whether it was taken, which is certain when it waits."""
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except BaseException:
            file.close()
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Gives the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on a file."""
    if not path.exists():
        return False
    lock = FileLock(path)
    taken = lock.acquire(wait=False)
    lock.release()
    return not taken
