"""Files that are to be read: what is wrong with one that is not there."""

import errno
import functools
import os
import re
import stat
from pathlib import Path

from earmark.errors import AudioError
from earmark.system.remote.path import RemotePath


def stat_file(path: Path) -> os.stat_result:
    """The facts about a regular file that is to be read.

    Args:
        path: The file.

    Raises:
        AudioError: It is missing or no regular file; the message names the cause, if it is known.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name.
        reason = getattr(error, "strerror", None) or error
        hint = _hint(path) if isinstance(error, FileNotFoundError) else ""
        raise AudioError(f"{path}: cannot be read: {reason}{hint}", "missing") from None
    if stat.S_ISDIR(found.st_mode):
        raise AudioError(f"{path}: cannot be read: {os.strerror(errno.EISDIR)}", "missing")
    if not stat.S_ISREG(found.st_mode):
        raise AudioError(f"{path}: not a regular file; write its content to a file first")
    return found


def _hint(path: Path) -> str:
    """Why a file is missing, as far as its name and the files around it can tell."""
    if isinstance(path, RemotePath):
        return ""
    text = path.as_posix()
    if re.search(r"(?:^|/)(?:https?|ftp|s3|gs):/", text):
        return "; this is a network address; download the file"
    if re.search(r"(?:^|/)file:/", text):
        return "; write a path, without file://"
    if re.search(r"(?:^|/)~[^/]*/", text):
        return "; ~ is not expanded; write the whole path"
    if os.sep == "/" and re.search(r"(?:^|/)[A-Za-z]:[\\/]", text):
        return "; this is a Windows path; give the path on this computer"
    if os.sep == "/" and "\\" in text:
        return "; write / between folders, not a backslash"
    if (below := _below_working_folder(path)) is not None:
        return (
            f"; {below} is in the working folder, but paths in a manifest start from the folder of "
            "the manifest"
        )
    return _neighbour(path)


def _below_working_folder(path: Path) -> Path | None:
    """The longest end of a path that is a file seen from the working folder."""
    if not path.is_absolute():
        return None
    parts = path.parts[1:]
    ends = (Path(*parts[start:]) for start in range(1, len(parts) - 1))
    return next((end for end in ends if os.path.isfile(end)), None)  # noqa: PTH113


def _neighbour(path: Path) -> str:
    """Names a file beside the missing one that differs in letter case or extension only."""
    try:
        names = _names(path.parent, path.parent.stat().st_mtime_ns)
    except OSError:
        return ""
    keys = (path.name.casefold(), path.stem.casefold())
    found = next((names[key] for key in keys if key in names), None)
    return f"; did you mean {found}?" if found else ""


@functools.lru_cache(maxsize=4)
def _names(folder: Path, changed_ns: int) -> dict[str, str]:
    """The files of a folder by name and by stem, in small letters; read once until it changes."""
    names = sorted((one.name for one in folder.iterdir()), reverse=True)
    stems = {Path(name).stem.casefold(): name for name in names}
    return stems | {name.casefold(): name for name in names}
