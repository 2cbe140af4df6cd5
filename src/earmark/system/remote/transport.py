"""Requests to the servers of remote files, through fsspec: time limits, retries, plain errors."""

import email.utils
import errno
import functools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from earmark.errors import ConfigError, RemoteError, needs_extra
from earmark.system.remote.urls import Address, redacted
from earmark.system.workers.worker import sign_of_life

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_PAUSE_SECONDS = 0.5
"""Before the second attempt; each pause is twice the one before, less up to half by chance."""
MAX_PAUSE_SECONDS = 10.0
WHOLE_BYTES = 1 << 26
"""A file of a server that sends no ranges is read at once, up to this size."""
_OWN_PACKAGES = {"gs": "gcsfs", "hf": "huggingface_hub"}
"""What some schemes need besides the extra."""
_TRANSIENT = frozenset({408, 425, 429})
_MISSING = frozenset({404, 410})
_DENIED = frozenset({401, 403})
_DENIED_ERRORS = frozenset(
    ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoAuthTokenError")
)
_VALIDATORS = (
    *("ETag", "etag", "VersionId", "generation", "Content-MD5", "md5Hash", "Digest", "blob_id"),
    *("lfs", "Last-Modified", "LastModified", "last_modified", "mtime", "updated", "created"),
)
"""Facts about a file that change with its content, as the file systems of fsspec name them."""
_TIMES = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated", "created")


class Patience(NamedTuple):
    """How long a server is waited for.

    Args:
        seconds: For one request; one that takes longer is made again.
        attempts: How many times a request is made.
    """

    seconds: float = 30.0
    attempts: int = 6


class Facts(NamedTuple):
    """What a server notes of a file.

    Args:
        size: In bytes; None for a folder.
        version: Changes with the content; None where the server gives nothing that does.
        modified_ns: Time of the last change, in ns; 0 if it is not known.
        has_ranges: Whether the server may send a part of the file.
    """

    size: int | None
    version: str | None
    modified_ns: int
    has_ranges: bool = True


class Entry(NamedTuple):
    """A file or folder in a folder: its name, and whether it is a folder."""

    name: str
    is_folder: bool


class Transport:
    """The requests that earmark makes, for one address.

    Args:
        address: A file or folder.
        patience: How long to wait.
    """

    def __init__(self, address: Address, patience: Patience) -> None:
        self._address, self._patience = address, patience
        self._name = address.url(with_secrets=False)
        place = (address.host, address.key)
        self._place = address.url() if "http" in address.scheme else "/".join(filter(None, place))

    def facts(self) -> Facts:
        """What the server notes of the file, asked for anew.

        Raises:
            FileNotFoundError: There is none.
            PermissionError: It may not be read.
            RemoteError: The server does not answer, or not how long the file is.
        """
        info = self._call(lambda files, limit: files.info(self._place, **limit))
        is_folder = info.get("type") == "directory"
        if not is_folder and info.get("size") is None:
            raise self._error("the server does not give its length; download the file")
        validators = [f"{name}={info[name]}" for name in _VALIDATORS if info.get(name)]
        return Facts(
            None if is_folder else int(info["size"]),
            "\n".join(validators) or None,
            max(map(_nanoseconds, (info.get(name) for name in _TIMES)), default=0),
            info.get("partial") is not False,
        )

    def read(self, extent: range, size: int) -> bytes:
        """A part of a file; all of it, where the server does not send parts.

        Args:
            extent: Which bytes, at least one.
            size: Length of the file.

        Raises:
            OSError: As `facts`.
        """

        def read(files: Any, limit: Mapping[str, float]) -> bytes:
            found = files.cat_file(self._place, start=extent.start, end=extent.stop, **limit)
            if len(found) not in (len(extent), size):
                raise OSError(f"{len(found)} bytes came instead of {len(extent)}")
            return bytes(found)

        return self._call(read)

    def entries(self) -> list[Entry]:
        """What is in a folder, in order.

        Raises:
            OSError: As `facts`.
        """
        found = self._call(lambda files, limit: files.ls(self._place, detail=True, **limit))
        entries = (
            Entry(one["name"].rstrip("/").rpartition("/")[2], one["type"] == "directory")
            for one in found
            # A bucket may hold an empty object with the name of the folder.
            if one["name"].strip("/") != self._place.strip("/")
        )
        return sorted(set(entries))

    def matches(self) -> list[str]:
        """The keys of files and folders that the address fits as a pattern, with their host.

        Raises:
            OSError: As `facts`.
        """
        return sorted(self._call(lambda files, limit: files.glob(self._place, **limit)))

    def _call(self, request: Callable[[Any, Mapping[str, float]], Result]) -> Result:
        failure: Exception = OSError()
        for pause in (*_pauses(self._patience.attempts), None):
            try:
                files = _file_system(self._address, self._patience.seconds)
                limit = {"timeout": self._patience.seconds} if files.async_impl else {}
                return request(files, limit)
            except ConfigError:
                raise
            except Exception as error:  # noqa: BLE001 - each package has errors of its own
                self._refuse_final(error)
                failure = error
            if pause is not None:
                logger.debug(f"{self._name}: {_reason(failure)}; trying again in {pause:.1f} s")
                _wait(pause)
        reason = f"{_reason(failure)} ({self._patience.attempts} attempts)"
        raise self._error(f"{reason}; try again later")

    def _refuse_final(self, error: Exception) -> None:
        """Raises what another attempt would not change."""
        kind = _kind(error)
        if kind == "missing":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._name) from None
        if kind == "denied":
            reason = f"{_reason(error)}; check the credentials in the environment"
            raise PermissionError(errno.EACCES, reason, self._name) from None
        if kind == "refused":
            raise self._error(_reason(error)) from None

    def _error(self, reason: str) -> RemoteError:
        return RemoteError(f"{self._name}: cannot be read: {reason}", reason)


def _pauses(attempts: int) -> Iterator[float]:
    for number in range(attempts - 1):
        longest = min(FIRST_PAUSE_SECONDS * 2**number, MAX_PAUSE_SECONDS)
        yield longest * random.uniform(0.5, 1.0)


def _wait(seconds: float) -> None:
    while seconds > 0:
        sign_of_life()
        time.sleep(min(seconds, 1.0))
        seconds -= 1.0


_Kind = Literal["missing", "denied", "refused", "transient"]


def _kind(error: Exception) -> _Kind:
    chain = list(_chain(error))
    status = next((number for one in chain if (number := _status(one))), None)
    if status in _MISSING:
        return "missing"
    if status in _DENIED or any(type(one).__name__ in _DENIED_ERRORS for one in chain):
        return "denied"
    if status is not None:
        is_final = 400 <= status < 500 and status not in _TRANSIENT
        return "refused" if is_final else "transient"
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        # The file system of HTTP says so of whatever goes wrong.
        return "missing" if error.__cause__ is None else "transient"
    return "refused" if isinstance(error, ValueError | TypeError | ImportError) else "transient"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """The status that a server answered with, where the error has it."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return response if isinstance(response, int) else None
    # Elsewhere `code` may be anything.
    code = error if type(error).__module__.startswith("gcsfs") else None
    for holder, name in ((error, "status"), (code, "code"), (response, "status_code")):
        number = getattr(holder, name, None)
        if isinstance(number, int):
            return number
    return None


def _reason(error: Exception) -> str:
    """One line for people, without secrets."""
    cause = next((one for one in _chain(error) if _status(one)), None)
    cause = cause or error.__cause__ or error
    status = _status(cause)
    if status is not None:
        return f"the server answers {status}"
    text = " ".join(redacted(str(cause)).split())
    return text or f"no answer ({type(cause).__name__})"


_lock = threading.Lock()


def _file_system(address: Address, seconds: float) -> Any:
    credentials = address.credentials if address.user and "http" not in address.scheme else ("", "")
    # One for all threads. A process that was forked needs its own.
    with _lock:
        return _connected(os.getpid(), address.scheme, credentials, seconds)


@functools.lru_cache(maxsize=8)
def _connected(_pid: int, scheme: str, credentials: tuple[str, str], seconds: float) -> Any:
    with needs_extra(f"{scheme}://"):
        import fsspec
    try:
        kind = fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        packages = " ".join(filter(None, ("'earmark[remote]'", _OWN_PACKAGES.get(scheme))))
        raise ConfigError(f"{scheme}:// needs more ({error}): pip install {packages}") from None
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        timeouts = {"connect_timeout": seconds, "read_timeout": seconds}
        options["config_kwargs"] = {**timeouts, "retries": {"max_attempts": 1}}
        if credentials != ("", ""):
            options["key"], options["secret"] = credentials
    if scheme in ("http", "https"):
        # Proxies, and the passwords in ~/.netrc.
        options["client_kwargs"] = {"trust_env": True}
    return kind() if scheme == "memory" else kind(**options)


def _nanoseconds(time_stamp: Any) -> int:
    """A time stamp in whatever form a file system gives it; 0 if there is none."""
    if isinstance(time_stamp, str):
        try:
            time_stamp = email.utils.parsedate_to_datetime(time_stamp)
        except ValueError:
            try:
                time_stamp = datetime.fromisoformat(time_stamp)
            except ValueError:
                return 0
    if isinstance(time_stamp, datetime):
        return round(time_stamp.timestamp() * 1e9)
    return round(time_stamp * 1e9) if isinstance(time_stamp, int | float) else 0
