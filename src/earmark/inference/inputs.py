"""Which files are meant by what people name: files, folders, patterns and lists of files.

Files are found one by one, so that a list may have any length.
"""

import codecs
import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import xxhash

from earmark.audio.reading import has_sound_name
from earmark.data.folders import walk
from earmark.errors import DataError
from earmark.system.files import plain_path
from earmark.system.remote.path import RemotePath, to_path
from earmark.system.remote.urls import FOLDERLESS

ANY_FOLDERS = "**"


def find_sounds(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as given, and every sound file that is not hidden below the folders; each once.

    A path with ``*``, ``?`` or ``[`` in it that is no file is a pattern, in which ``**`` stands for
    any number of folders. What cannot be opened is given as it is, so that it is missed: a link
    named as sound that leads nowhere, a folder that cannot be read, a pattern that fits nothing.

    Args:
        paths: Files, folders and patterns.

    Yields:
        Files. Of those that came before, 16 bytes each are remembered where there are several
        paths, or a pattern.
    """
    named = list(paths)
    found = (file for path in named for one in _expand(path) for file in _search(one))
    return found if len(named) < 2 and not any(map(_is_pattern, named)) else _distinct(found)


def read_list(lines: Iterable[bytes]) -> Iterator[Path]:
    """The files of a list, one in a line; empty lines are passed over.

    Args:
        lines: Such as an open file. Names that are not UTF-8 keep their bytes; a byte order mark at
            the start is no part of the first.
    """
    for number, line in enumerate(lines):
        name = line.rstrip(b"\r\n")
        if number == 0:
            name = name.removeprefix(codecs.BOM_UTF8)
        if name.strip():
            yield to_path(os.fsdecode(name))


def _is_pattern(path: Path) -> bool:
    if isinstance(path, RemotePath):
        return path.address.scheme not in FOLDERLESS and glob.has_magic(str(path))
    # Path.exists() and its like raise an error below a folder that may not be entered.
    return glob.has_magic(str(path)) and not os.path.exists(path)  # noqa: PTH110


def _expand(path: Path) -> Sequence[Path]:
    if not _is_pattern(path):
        return [path]
    if isinstance(path, RemotePath):
        return list(path.matches()) or [path]
    if ANY_FOLDERS in path.parts:
        return list(_expand_deep(path)) or [path]
    # Path.glob would give hidden files too.
    return [Path(one) for one in sorted(glob.glob(str(path)))] or [path]  # noqa: PTH207


def _expand_deep(path: Path) -> Iterator[Path]:
    """What a pattern with ``**`` fits; glob would go round links that lead up, without end."""
    at = path.parts.index(ANY_FOLDERS)
    pattern = path.parts[at:]
    for top in _expand(Path(*path.parts[:at])):
        for file in _visible(top):
            parts = file.relative_to(top).parts
            below = has_sound_name(file) and _fits(parts, (*pattern, ANY_FOLDERS))
            if below or _fits(parts, pattern) or file.is_dir():
                yield file


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == ANY_FOLDERS:
        return any(_fits(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    fits_first = bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0])
    return fits_first and _fits(parts[1:], pattern[1:])


def _search(path: Path) -> Iterable[Path]:
    if not _is_folder(path):
        return [path]
    return (file for file in _visible(path) if has_sound_name(file) or file.is_dir())


def _is_folder(path: Path) -> bool:
    if isinstance(path, RemotePath):
        try:
            return path.is_dir()
        except OSError:
            return False
    return os.path.isdir(path)  # noqa: PTH112


def _visible(folder: Path) -> Iterator[Path]:
    """The files below a folder, and the folders that cannot be read, itself among them."""
    if _is_folder(folder):
        try:
            yield from walk(folder)
        except DataError:
            yield folder


def _distinct(paths: Iterable[Path]) -> Iterator[Path]:
    seen = set()
    for path in paths:
        digest = xxhash.xxh3_128_digest(os.fsencode(plain_path(path)))
        if digest not in seen:
            seen.add(digest)
            yield path
