"""Which files are meant by what people name: files, folders, patterns and lists of files.

Files are found one by one, so that a list may have any length.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import xxhash

from earmark.audio import is_audio
from earmark.folders import walk


def find_sounds(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as given, and every sound file that is not hidden below the folders; each once.

    A path with ``*``, ``?`` or ``[`` in it that is no file is a pattern, in which ``**`` stands for
    any number of folders. One that fits nothing is given as it is, so that it is missed.

    Args:
        paths: Files, folders and patterns.

    Yields:
        Files. Of those that came before, 16 bytes each are remembered where there are several
        paths.

    Raises:
        DataError: A folder cannot be read.
    """
    named = list(paths)
    found = (file for path in named for one in _expand(path) for file in _search(one))
    return found if len(named) < 2 else _distinct(found)


def read_list(lines: Iterable[bytes]) -> Iterator[Path]:
    """The files of a list, one in a line; empty lines are passed over.

    Args:
        lines: Such as an open file. Names that are not UTF-8 keep their bytes.
    """
    for line in lines:
        name = line.rstrip(b"\r\n")
        if name.strip():
            yield Path(os.fsdecode(name))


def _expand(path: Path) -> Sequence[Path]:
    text = str(path)
    if not glob.has_magic(text) or path.exists():
        return [path]
    # Path.glob would give hidden files too.
    matches = glob.glob(text, recursive=True)  # noqa: PTH207
    return [Path(one) for one in sorted(matches)] or [path]


def _search(path: Path) -> Iterable[Path]:
    return filter(is_audio, walk(path)) if path.is_dir() else [path]


def _distinct(paths: Iterable[Path]) -> Iterator[Path]:
    seen = set()
    for path in paths:
        digest = xxhash.xxh3_128_digest(os.fsencode(os.path.normpath(path.absolute())))
        if digest not in seen:
            seen.add(digest)
            yield path
