"""Digests of the content of files, read again only where a file may have changed."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from earmark.errors import AudioError
from earmark.system.checksums import append_lines, checked_line, read_lines
from earmark.system.file_state import FileState
from earmark.system.hashing import content_hash
from earmark.system.missing import stat_file
from earmark.system.remote.path import to_path


class _Known(NamedTuple):
    state: FileState
    digest: str


class ContentDigests(AbstractContextManager["ContentDigests"]):
    """Digests of files' contents, which ``digests.jsonl`` of the store keeps.

    A file is not read again while its size, times, inode and device are those of the last reading.
    As in git's index, that is not trusted where the file was changed less than two seconds before
    it was read: another change may have got the same time stamp. Such a file is read each time.

    New digests are saved when the context ends, also after an error.

    Args:
        root: Folder of the store.
        verify: Read every file again, at first use.
    """

    def __init__(self, root: Path, *, verify: bool = False) -> None:
        self._path = root / "digests.jsonl"
        self._known: dict[str, _Known] = {}
        self._new: list[bytes] = []
        for content, has_checksum in () if verify else read_lines(self._path):
            # Earlier versions noted only the size and the time of modification.
            if has_checksum:
                state = FileState(*content["state"])
                self._known[content["path"]] = _Known(state, content["digest"])

    def digest(self, path: Path) -> str:
        """The digest of a file's content.

        Raises:
            AudioError: The file cannot be read.
        """
        state = FileState.from_stat(stat_file(path))
        absolute = str(path.absolute())
        known = self._known.get(absolute)
        if known and known.state.is_settled and known.state == state:
            return known.digest
        found = _Known(state, content_hash(path))
        if found != known:
            self._known[absolute] = found
            line = {"path": absolute, "state": state, "digest": found.digest}
            self._new.append(checked_line(line))
        return found.digest

    def confirm(self, path: Path, digest: str) -> None:
        """Checks, after a file was decoded, that this was the content with the digest.

        Raises:
            AudioError: The file has changed, or cannot be read any more.
        """
        if self.digest(path) != digest:
            raise AudioError(f"{path}: changed while it was read; run the command again", "changed")

    def files_of(self, digests: Collection[str]) -> dict[str, list[Path]]:
        """The files that had some contents when they were last read, by digest."""
        found: dict[str, list[Path]] = {}
        for path, known in self._known.items():
            if known.digest in digests:
                found.setdefault(known.digest, []).append(to_path(path))
        return found

    def __exit__(self, *_: object) -> None:
        if self._new:
            append_lines(self._path, self._new)
            self._new.clear()
