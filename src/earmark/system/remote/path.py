"""Remote files as paths, so that whatever takes a `Path` takes them too."""

import errno
import functools
import hashlib
import io
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PosixPath, WindowsPath
from typing import Any

import xxhash

from earmark.system.remote.cache import BlockCache
from earmark.system.remote.file import SMALL_BYTES, RemoteFile
from earmark.system.remote.settings import RemoteSettings
from earmark.system.remote.transport import Facts, Transport
from earmark.system.remote.urls import FOLDERLESS, Address, is_url, repaired

BUFFER_BYTES = 1 << 15

_LocalPath = PosixPath if os.name == "posix" else WindowsPath


class RemotePath(_LocalPath):  # type: ignore[misc, valid-type]
    """A file or folder in a bucket or on a web server.

    As text it is the address without password and signature, which therefore reach no message, no
    table and no file. Two paths are equal if these texts are.

    Args:
        url: With one of the `SCHEMES`.
        settings: By default those of the environment.
        is_folder: Whether it is a folder, where a listing has told.

    Example:
        >>> folder = RemotePath("s3://me:secret@bucket/music")
        >>> folder / "a.wav"
        RemotePath('s3://bucket/music/a.wav')
    """

    def __new__(cls, url: str, *_: Any, **__: Any) -> "RemotePath":
        """Makes the path of the text without secrets, from which `Path` takes the parts."""
        return super().__new__(cls, Address.parse(url).url(with_secrets=False))

    def __init__(
        self, url: str, settings: RemoteSettings | None = None, *, is_folder: bool | None = None
    ) -> None:
        self.address = Address.parse(url)
        self._text = self.address.url(with_secrets=False)
        self._given = settings
        self._is_folder = False if self.address.scheme in FOLDERLESS else is_folder
        if sys.version_info >= (3, 12):
            super().__init__(self._text)

    @functools.cached_property
    def settings(self) -> RemoteSettings:
        """How it is read."""
        return self._given or RemoteSettings.from_environment()

    @functools.cached_property
    def _transport(self) -> Transport:
        return Transport(self.address, self.settings.patience)

    def _at(self, key: str, *, is_folder: bool | None = None) -> "RemotePath":
        """Another file or folder of the same host."""
        # A query belongs to one file.
        url = self.address._replace(key=key, query="").url()
        return RemotePath(url, self._given, is_folder=is_folder)

    # What it is called.

    def __str__(self) -> str:
        return self._text

    def __fspath__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text!r})"

    def __bytes__(self) -> bytes:
        return os.fsencode(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.address.url(), self.settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __lt__(self, other: Any) -> bool:
        return self._text < str(other) if isinstance(other, Path) else NotImplemented

    def as_posix(self) -> str:
        """The address without secrets."""
        return self._text

    @property
    def name(self) -> str:
        """The last part of the key, without the query."""
        return self.address.key.rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """As of other paths."""
        return Path(self.name).suffix

    @property
    def stem(self) -> str:
        """As of other paths."""
        return Path(self.name).stem

    @property
    def parent(self) -> "RemotePath":
        """The folder; of a bucket, the bucket itself."""
        return self._at(self.address.key.rstrip("/").rpartition("/")[0])

    @property
    def parents(self) -> tuple["RemotePath", ...]:  # type: ignore[override]
        """All folders that it is in, from the inside."""
        found, folder = [], self
        while folder.address.key:
            folder = folder.parent
            found.append(folder)
        return tuple(found)

    def is_absolute(self) -> bool:
        """Yes."""
        return True

    def absolute(self) -> "RemotePath":
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":
        """Itself: there are no links."""
        return self

    def is_symlink(self) -> bool:
        """No."""
        return False

    def joinpath(self, *others: Any) -> Path:  # type: ignore[override]
        """A file below it; or the other, if that is an address or a whole path."""
        found: Path = self
        for one in others:
            found = found / one
        return found

    def __truediv__(self, other: Any) -> Path:  # type: ignore[override]
        text = os.fspath(other)
        if isinstance(other, RemotePath):
            return other
        if is_url(text) or Path(text).is_absolute():
            return to_path(text)
        parts = [part for part in self.address.key.split("/") if part]
        for part in text.replace(os.sep, "/").split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return self._at("/".join(parts))

    def with_name(self, name: str) -> "RemotePath":
        """As of other paths."""
        folder = self.address.key.rstrip("/").rpartition("/")[0]
        return self._at(f"{folder}/{name}" if folder else name)

    def with_suffix(self, suffix: str) -> "RemotePath":
        """As of other paths."""
        return self.with_name(self.stem + suffix)

    def relative_to(self, other: Any, *_: Any, **__: Any) -> Path:  # type: ignore[override]
        """The path from a folder above it.

        Raises:
            ValueError: It is not below the other.
        """
        if not self.is_relative_to(other):
            raise ValueError(f"{self} is not below {other}")
        return Path(self._text.removeprefix(str(other)).lstrip("/"))

    def is_relative_to(self, other: Any, *_: Any) -> bool:  # type: ignore[override]
        """Whether it is below another, or the same."""
        folder = str(other).rstrip("/")
        return self._text == folder or self._text.startswith(f"{folder}/")

    # What is there.

    def facts(self) -> Facts:
        """What the server notes of it, asked for anew.

        Raises:
            OSError: It is not there, or cannot be reached.
        """
        return self._transport.facts()

    def version_digest(self) -> str | None:
        """The digest of the address and the version of a large file.

        Returns:
            32 hexadecimal digits; None for a file that is fetched at once, or without a version.

        Raises:
            OSError: It is not there, or cannot be reached.
        """
        facts = self.facts()
        if facts.version is None or facts.size is None or facts.size <= SMALL_BYTES:
            return None
        text = "\0".join((self._text, facts.version, str(facts.size)))
        return xxhash.xxh3_128_hexdigest(text.encode())

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """The facts as those of a local file; the inode stands for the version.

        Raises:
            OSError: It is not there, or cannot be reached.
        """
        facts = self.facts()
        mode = stat.S_IFDIR if facts.size is None else stat.S_IFREG
        version = hashlib.blake2b((facts.version or "").encode(), digest_size=7)
        # Without a version, it may change from one look to the next.
        changed_ns = time.time_ns() if facts.version is None else facts.modified_ns
        seconds = changed_ns // 1_000_000_000
        inode, size = int.from_bytes(version.digest()), facts.size or 0
        fields = (mode | 0o444, inode, 0, 1, 0, 0, size, seconds, seconds, seconds)
        exact = {f"st_{name}_ns": changed_ns for name in ("atime", "mtime", "ctime")}
        return os.stat_result(fields, exact)

    def exists(self, **_: Any) -> bool:
        """Whether it is there.

        Raises:
            OSError: It cannot be reached.
        """
        if self._is_folder:
            return True
        try:
            self.facts()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, **_: Any) -> bool:
        """Whether it is a folder; nothing is asked where that is known.

        Raises:
            OSError: It cannot be reached.
        """
        if self._is_folder is None:
            try:
                self._is_folder = self.facts().size is None
            except FileNotFoundError:
                return False
        return self._is_folder

    def is_file(self, **_: Any) -> bool:
        """Whether it is a file; nothing is asked where a listing has told.

        Raises:
            OSError: It cannot be reached.
        """
        if self._is_folder is None or self.address.scheme in FOLDERLESS:
            try:
                return self.facts().size is not None
            except FileNotFoundError:
                return False
        return not self._is_folder

    def iterdir(self) -> Iterator["RemotePath"]:  # type: ignore[override]
        """What is in the folder.

        Raises:
            OSError: It is no folder, or cannot be reached.
        """
        key = self.address.key.rstrip("/")
        for entry in self._transport.entries():
            yield self._at(f"{key}/{entry.name}" if key else entry.name, is_folder=entry.is_folder)

    def matches(self) -> Iterator["RemotePath"]:
        """The files and folders that it fits as a pattern.

        Raises:
            OSError: It cannot be reached.
        """
        host = f"{self.address.host}/" if self.address.host else ""
        for place in self._transport.matches():
            yield self._at(place.lstrip("/").removeprefix(host))

    def open(self, mode: str = "r", *_: Any, **__: Any) -> io.BufferedReader:  # type: ignore[override]
        """Opens the file to read its bytes, in ranges.

        Raises:
            OSError: It is not there, cannot be reached, or is opened to write.
        """
        if mode != "rb":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), self._text)
        cache = _cache(self.settings.folder, self.settings.max_bytes)
        file = RemoteFile(self._text, self._transport, self.facts(), cache)
        return io.BufferedReader(file, BUFFER_BYTES)

    def read_bytes(self) -> bytes:
        """The whole content.

        Raises:
            OSError: As `open`.
        """
        with self.open("rb") as file:
            return file.read()

    def mkdir(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
        """Refused: remote files are only read.

        Raises:
            OSError: Always.
        """
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), self._text)


def to_path(path: Path | str) -> Path:
    """A path, remote or local.

    Args:
        path: A path, or text of one. A URL that was made a `Path`, and so lost a slash, is one.

    Example:
        >>> to_path("s3://bucket/a.wav"), to_path(Path("https://host/a.wav"))
        (RemotePath('s3://bucket/a.wav'), RemotePath('https://host/a.wav'))
    """
    if isinstance(path, RemotePath):
        return path
    text = repaired(path.as_posix() if isinstance(path, Path) else path)
    return RemotePath(text) if is_url(text) else Path(path)


@functools.cache
def _cache(folder: Path, max_bytes: int) -> BlockCache:
    return BlockCache(folder, max_bytes)
