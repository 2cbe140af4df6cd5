"""Files written whole: a reader sees the old file or the new one, never a part."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file under a temporary name, flushes it to disk and renames it into place.

    Args:
        path: Where the file shall stand; missing folders are made.
        content: Text is written as UTF-8 with Unix line ends; names of files that are not UTF-8
            keep their bytes.

    Raises:
        OSError: It cannot be written; the error names the path.
    """
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = os.fspath(path)
        raise
