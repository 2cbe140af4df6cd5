"""Files written whole: a reader sees the old file or the new one, never a part."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """Opens a file under a temporary name; it is flushed to disk and renamed into place at the end.

    Args:
        path: Where the file shall stand; missing folders are made.

    Raises:
        OSError: It cannot be written; the error names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
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


def atomic_write(path: Path, content: bytes | str) -> None:
    """Writes a file as `atomic_open` does.

    Args:
        path: Where the file shall stand; missing folders are made.
        content: Text is written as UTF-8 with Unix line ends; names of files that are not UTF-8
            keep their bytes.

    Raises:
        OSError: It cannot be written; the error names the path.
    """
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with atomic_open(path) as file:
        file.write(data)


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    r"""Rows as CSV, each with a line feed at its end.

    Args:
        rows: Their cells. None is an empty cell; a cell with a line feed or a carriage return is
            put between quotes.

    Example:
        >>> list(csv_lines([("a\r.wav", 1), ("b.wav", None)]))
        ['"a\r.wav",1\n', 'b.wav,\n']
    """
    for row in rows:
        line = io.StringIO()
        # Of the marks of lines, csv quotes those alone that end its own lines.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        yield line.getvalue().removesuffix("\r\n") + "\n"


def plain_path(path: Path) -> Path:
    """The path from the root without dots; the same for all ways to write it down.

    Links stay links, but for those before ``..``, which lead to other folders than their names say.

    Args:
        path: The file or folder; it need not exist.
    """
    parts = path.absolute().parts
    if ".." not in parts:
        return Path(*parts)
    after = len(parts) - parts[::-1].index("..")
    # Not `Path.resolve`, which raises where links lead round in a circle.
    return Path(os.path.realpath(Path(*parts[:after])), *parts[after:])


def place_below(folder: Path, path: Path) -> Path:
    """A place in a folder for what is made of a file.

    Args:
        folder: The folder.
        path: The file. Below the working folder its place has the same path as itself, so that
            equal names are kept apart; elsewhere it has its path from the root.

    Example:
        >>> place_below(Path("out"), Path("news/today.mp3")).as_posix()
        'out/news/today.mp3'
    """
    absolute = plain_path(path)
    if absolute.is_relative_to(Path.cwd()):
        return folder / absolute.relative_to(Path.cwd())
    return folder / absolute.relative_to(absolute.anchor)
