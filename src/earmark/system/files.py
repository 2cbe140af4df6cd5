"""Atomic writes (a reader sees the old file or the new one, never a part), CSV lines and paths."""

import csv
import io
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import xxhash

from earmark.errors import ConfigError
from earmark.system.remote.path import RemotePath

MAX_NAME_BYTES = 200
"""Leaves room for the suffixes of temporary files, and for numbers that make names differ."""


@contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that is flushed to disk and renamed to the path at the end.

    Args:
        path: The file to write; missing folders are created.

    Raises:
        OSError: The file cannot be written; the error names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the number of the process: two machines that share a disk may have the same.
    temporary = path.with_name(f".{fit_name(path.name)}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, os.fspath(temporary)):
            error.filename = os.fspath(path)
        raise


def remove_parts(folder: Path) -> None:
    """Removes the temporary files that a killed process has left in a folder.

    Args:
        folder: No process may be writing to it.
    """
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Writes a file as `atomic_open` does.

    Args:
        path: The file to write; missing folders are created.
        content: Text is written as UTF-8 with Unix line ends; file names in it that are not
            UTF-8 keep their bytes.

    Raises:
        OSError: The file cannot be written; the error names the path.
    """
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with atomic_open(path) as file:
        file.write(data)


def read_text(path: Path) -> str:
    """Reads a text as `atomic_write` wrote it: every line end, and names that are not UTF-8.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    return path.read_bytes().decode("utf-8", "surrogateescape")


def require_utf8_names() -> None:
    """Checks that Python reads the names of files as UTF-8, so that labels are not garbled.

    Raises:
        ConfigError: It does not; neither its UTF-8 mode nor a UTF-8 locale is on.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        raise ConfigError(
            f"Python reads file names as {encoding} here, which would garble labels; set "
            "PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8"
        )


def fit_name(name: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """A name that file systems accept: itself, or the end of it after a hash of the whole.

    Args:
        name: The name of a file or folder, without slashes.
        max_bytes: Its greatest length; most file systems allow 255 bytes.

    Example:
        >>> fit_name("a.wav"), fit_name("a" * 300 + ".wav", 20)
        ('a.wav', '23968c08_aaaaaaa.wav')
    """
    data = os.fsencode(name)
    if len(data) <= max_bytes:
        return name
    digest = xxhash.xxh3_64_hexdigest(data)[:8]
    # The cut may lie inside a character.
    return f"{digest}_{data[len(digest) + 1 - max_bytes :].decode('utf-8', 'ignore')}"


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    r"""Formats rows as CSV, each terminated by a line feed.

    Args:
        rows: The cells. None is an empty cell; a cell with a line feed or a carriage return is
            quoted.

    Example:
        >>> list(csv_lines([("a\r.wav", 1), ("b.wav", None)]))
        ['"a\r.wav",1\n', 'b.wav,\n']
    """
    for row in rows:
        line = io.StringIO()
        # csv quotes only those line breaks that are in its own line terminator.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        yield line.getvalue().removesuffix("\r\n") + "\n"


def plain_path(path: Path) -> Path:
    """The absolute path without dots: the same for all spellings of a path.

    Symbolic links are kept, except before ``..``, where they change what the path means.

    Args:
        path: A file or folder; it need not exist.
    """
    if isinstance(path, RemotePath):
        return path
    parts = path.absolute().parts
    if ".." not in parts:
        return Path(*parts)
    after = len(parts) - parts[::-1].index("..")
    # Not `Path.resolve`, which raises on a loop of links.
    return Path(os.path.realpath(Path(*parts[:after])), *parts[after:])


def path_from(folder: Path, path: Path) -> str:
    """How a file is written in a table that lies in a folder: relative to it, with ``/``.

    Links on the way to the folders are resolved, so that ``..`` means the same for every reader.

    Args:
        folder: Where the table lies; it need not exist.
        path: The file.

    Returns:
        A relative path; an absolute one if there is none, as between the drives of Windows; of a
        remote file its address, without secrets.

    Example:
        >>> path_from(Path("runs/one"), Path("sounds/a.wav"))
        '../../sounds/a.wav'
    """
    if isinstance(path, RemotePath):
        return str(path)
    # A link to a file keeps its name, which may give its format.
    target = Path(os.path.realpath(path.parent), path.name)
    try:
        return Path(os.path.relpath(target, os.path.realpath(folder))).as_posix()
    except ValueError:
        return target.as_posix()


def place_below(folder: Path, path: Path) -> Path:
    """Where the output for an input file goes.

    Args:
        folder: The output folder.
        path: The input file. Its path is repeated below the output folder, so that files of the
            same name do not collide: relative to the working folder, or else from the root.

    Example:
        >>> place_below(Path("out"), Path("news/today.mp3")).as_posix()
        'out/news/today.mp3'
    """
    if isinstance(path, RemotePath):
        return folder.joinpath(*_parts_of(path))
    absolute = plain_path(path)
    if absolute.is_relative_to(Path.cwd()):
        return folder / absolute.relative_to(Path.cwd())
    return folder / absolute.relative_to(absolute.anchor)


def _parts_of(path: RemotePath) -> list[str]:
    """Names of folders, and of a file, for a remote file; others for another one."""
    address = path.address
    parts = [part for part in (address.host, *address.key.split("/")) if part.strip(".")]
    query = str(path).partition("?")[2] if address.query else ""
    named = [address.scheme, *parts[:-1], *filter(None, [query]), *parts[-1:]]
    return [part.replace(":", "_") for part in named]
