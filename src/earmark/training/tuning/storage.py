"""Where the trials of a study are kept: in a journal in its folder, or in a PostgreSQL database.

Both give two kinds of locks: one of the study, under which trials are sampled and ended, and one
that each worker holds while it lives. Both kinds end with the process that holds them.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from earmark.errors import ConfigError
from earmark.system.files import atomic_write
from earmark.training.tuning.folder import StudyFolder


@runtime_checkable
class TrialStorage(Protocol):
    """What keeps the trials of a study, and lets its workers agree."""

    @property
    def folder(self) -> StudyFolder:
        """The study folder of this machine."""
        ...

    @property
    def name(self) -> str:
        """The name of the study in the storage."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Held by one worker at a time to sample, end and remove trials."""
        ...

    def working(self, worker: str) -> AbstractContextManager[Callable[[], None]]:
        """Held by a worker while it lives; what it gives is called now and then to renew it."""
        ...

    def has_ended(self, worker: str) -> bool:
        """Whether a worker has ended, or its process or machine has died."""
        ...

    def connect(self) -> BaseStorage:
        """The storage as Optuna uses it; called under the lock of the study."""
        ...

    def register(self, study: optuna.Study, identity: dict[str, Any]) -> None:
        """Writes what identifies a new study, or compares it; called under its lock."""
        ...

    def reporting(self) -> AbstractContextManager[None]:
        """Reports failures of the storage in one line."""
        ...


@dataclass(frozen=True)
class Journal:
    """Optuna's journal in the study folder.

    Args:
        folder: The study folder, on a disk that all workers share.
    """

    folder: StudyFolder

    name = "earmark"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds a locked file in the study folder."""
        with FileLock(self.folder.path / "study.lock"):
            yield

    @contextmanager
    def working(self, worker: str) -> Iterator[Callable[[], None]]:
        """Holds a locked file of the worker's name."""
        file = self.folder.workers / worker
        try:
            with FileLock(file):
                yield lambda: None
        finally:
            file.unlink(missing_ok=True)

    def has_ended(self, worker: str) -> bool:
        """Whether no living process holds the worker's file, which is removed then."""
        file = self.folder.workers / worker
        if file.exists():
            with suppress(Timeout), FileLock(file, timeout=0):
                file.unlink(missing_ok=True)
        return not file.exists()

    def connect(self) -> JournalStorage:
        """Opens the journal; a half-written last line, which a crash may have left, is removed.

        Raises:
            ConfigError: The trials of the folder are in a database.
        """
        if self.folder.database.exists():
            raise ConfigError(
                f"{self.folder.path}: its trials are in a database, which "
                f"{self.folder.database.name} names; give --storage"
            )
        journal = self.folder.journal
        _drop_torn_line(self.folder)
        lock: Any = _JournalLock(FileLock(journal.with_suffix(".lock")))
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))

    def register(self, study: optuna.Study, identity: dict[str, Any]) -> None:
        """The folder itself identifies the study."""

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Errors of files have their paths in them."""
        yield


@dataclass(frozen=True)
class _JournalLock:
    """Optuna's own locks outlive a killed holder by half a minute; this one dies with it."""

    lock: FileLock

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def _drop_torn_line(folder: StudyFolder) -> None:
    with suppress(FileNotFoundError):
        text = folder.journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            atomic_write(folder.journal, whole)
