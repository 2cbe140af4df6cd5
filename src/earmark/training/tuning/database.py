"""Studies in a PostgreSQL database, shared by machines that share no disk."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from earmark.errors import ConfigError, TrainingError, needs_extra
from earmark.system.files import atomic_write, read_text
from earmark.training.tuning.folder import StudyFolder

_DRIVER = "postgresql+psycopg"
_NAMES = ("postgresql", "postgres", _DRIVER)
# A connection to a machine that is gone ends after about a minute, on both sides.
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_CONNECT = {"connect_timeout": 30, "keepalives": 1, **_KEEPALIVES}
_ID, _IDENTITY = "earmark:id", "earmark:identity"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database, which keeps the trials of a study under the name of its folder.

    Its locks are advisory locks of the server, which belong to a connection and end with it.

    Args:
        folder: The study folder of this machine.
        url: Where the database is; it may have a password in it, so it is never shown or stored.
    """

    folder: StudyFolder
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name of the study: that of its folder when it began."""
        return self._read_record().get("study", self.folder.path.resolve().name)

    @property
    def place(self) -> str:
        """The database without the password, for messages."""
        url = self._url
        parts = (url.username, None, url.host, url.port, url.database)
        return sqlalchemy.URL.create("postgresql", *parts).render_as_string()

    @property
    def _url(self) -> sqlalchemy.URL:
        try:
            url = sqlalchemy.make_url(self.url)
        except (SQLAlchemyError, ValueError):
            # Not with the error's text, which may have the password in it.
            raise ConfigError(
                "--storage: not the URL of a database, such as postgresql://USER@HOST/DATABASE"
            ) from None
        if url.drivername not in _NAMES:
            raise ConfigError(
                f"--storage: {url.drivername}: not supported; use postgresql://USER@HOST/DATABASE, "
                "or leave it out on machines that share a disk"
            )
        return url.set(drivername=_DRIVER)

    def check(self) -> None:
        """Checks, before any work, that the database can be used from this folder.

        Raises:
            ConfigError: It cannot be reached, or the study folder has a journal.
        """
        if self.folder.journal.exists():
            raise ConfigError(
                f"{self.folder.path}: its trials are in {self.folder.journal.name}; leave "
                "--storage out, or choose another folder"
            )
        with needs_extra("--storage"):
            import psycopg  # noqa: F401 - SQLAlchemy's error would not name the extra
        try:
            with self._engine().connect():
                pass
        except SQLAlchemyError as error:
            raise ConfigError(f"{self.place}: {self._reason(error)}") from None

    def _engine(self) -> Engine:
        return sqlalchemy.create_engine(
            self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_CONNECT
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the advisory lock of the study."""
        lock = _AdvisoryLock(self._engine(), self._key(""))
        try:
            lock.renew()
            yield
        finally:
            lock.close()

    @contextmanager
    def working(self, worker: str) -> Iterator[Callable[[], None]]:
        """Holds an advisory lock of the worker's name; renewing takes it again if it was lost."""
        lock = _AdvisoryLock(self._engine(), self._key(worker))
        try:
            lock.renew()
            yield lock.renew
        finally:
            lock.close()

    def has_ended(self, worker: str) -> bool:
        """Whether no connection holds the worker's lock."""
        query = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
        with self._engine().connect() as connection:
            return bool(connection.execute(query, {"key": self._key(worker)}).scalar())

    def _key(self, worker: str) -> int:
        """The number of a lock: 64 bits of what it is for."""
        digest = hashlib.sha256(f"earmark\0{self.name}\0{worker}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def connect(self) -> RDBStorage:
        """Opens the database; missing tables are created.

        Raises:
            ConfigError: Its tables are of another version of Optuna.
        """
        url = self._url.render_as_string(hide_password=False)
        # A connection for each change: none is left open through a long trial, or stale after it.
        options = {"poolclass": NullPool, "connect_args": _CONNECT}
        try:
            return RDBStorage(url, engine_kwargs=options)
        except RuntimeError as error:
            raise ConfigError(f"{self.place}: {self._reason(error)}") from None

    def register(self, study: optuna.Study, identity: dict[str, Any]) -> None:
        """Writes what identifies the study, or compares it with what another process wrote.

        Args:
            study: As it was opened, under its lock.
            identity: Of the study in this process's folder.

        Raises:
            TrainingError: The database has another study by this name, or no longer has the one
                of this folder.
        """
        attributes = study.user_attrs
        known = self._read_record().get("id")
        if known not in (None, attributes.get(_ID)):
            raise TrainingError(
                f"{self.folder.path}: {self.place} does not hold the study that began here; give "
                "the database that does, or choose another folder"
            )
        if _ID not in attributes:
            study.set_user_attr(_IDENTITY, identity)
            study.set_user_attr(_ID, uuid.uuid4().hex)
        elif attributes[_IDENTITY] != json.loads(json.dumps(identity)):
            self.folder.refuse_other_identity(self.place, identity, attributes[_IDENTITY])
        if known is None:
            document = {"database": self.place, "study": self.name, "id": study.user_attrs[_ID]}
            atomic_write(self.folder.database, json.dumps(document, indent=1) + "\n")

    def _read_record(self) -> dict[str, str]:
        """What the folder records of the database; empty where the study has not begun."""
        try:
            document = json.loads(read_text(self.folder.database))
            return {key: document[key] for key in ("study", "id")}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            raise TrainingError(f"{self.folder.database}: damaged; remove it") from None

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Reports failures of the database in one line, without the password.

        Raises:
            TrainingError: The database cannot be reached any more.
        """
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise TrainingError(
                f"{self.place}: {self._reason(error)}; the same command resumes the study"
            ) from None

    def _reason(self, error: BaseException) -> str:
        """The first line of what the driver says."""
        while error.__cause__ is not None:
            error = error.__cause__
        text = next(iter(str(error).splitlines()), type(error).__name__)
        query = self._url.query
        for secret in (self._url.password, *(query[key] for key in query if "password" in key)):
            text = text.replace(str(secret), "***") if secret else text
        return text


class _AdvisoryLock:
    """A lock of the server, held by a connection of its own.

    Args:
        engine: Makes connections.
        key: The number of the lock.
    """

    def __init__(self, engine: Engine, key: int) -> None:
        self._engine, self._key = engine, key
        self._connection: Connection | None = None

    def renew(self) -> None:
        """Takes the lock, unless the connection that holds it is alive."""
        if self._connection is not None:
            try:
                self._connection.execute(sqlalchemy.text("SELECT 1"))
            except SQLAlchemyError:
                self.close()
            else:
                return
        self._connection = self._engine.connect()
        for name, value in _KEEPALIVES.items():
            self._connection.execute(sqlalchemy.text(f"SET tcp_{name} = {value}"))
        lock = sqlalchemy.text("SELECT pg_advisory_lock(:key)")
        self._connection.execute(lock, {"key": self._key})

    def close(self) -> None:
        """Closes the connection, which releases the lock."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None
