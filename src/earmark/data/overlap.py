"""Checks that splits, folds and groups share no sound."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from earmark.data.recording import Recording
from earmark.errors import DataError
from earmark.system.remote.path import RemotePath, to_path
from earmark.system.remote.urls import is_url

_FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")


def refuse_group_overlap(
    source: Path, recordings: Iterable[Recording], part: Literal["split", "fold"]
) -> None:
    """Checks that no group is in two splits, or in two folds.

    Args:
        source: The data set, named in the error.
        recordings: Which ones are compared.
        part: Whether splits or folds are checked.

    Raises:
        DataError: A group is; the error names the first three.
    """
    parts = defaultdict(set)
    for one in recordings:
        if name := getattr(one, part):
            parts[one.group].add(name)
    shared = sorted(group for group, names in parts.items() if len(names) > 1)
    if shared:
        listed = ", ".join(
            f"{group} ({' and '.join(sorted(parts[group]))})" for group in shared[:3]
        )
        advice = f"move each group into one {part}"
        if source.is_dir():
            advice += (
                "; if these folders are not groups of related recordings, rename them "
                "or give a manifest with a group column"
            )
        raise DataError(
            f"{source}: {len(shared)} groups are in more than one {part}: {listed}; {advice}"
        )


def refuse_sound_overlap(
    source: Path,
    recordings: Iterable[Recording],
    part: Literal["split", "fold", "group"],
    rows: Mapping[str, int] | None = None,
) -> None:
    """Checks that excerpts of one file that overlap are in one split, fold or group.

    Args:
        source: The data set, named in the error.
        recordings: Which ones are compared.
        part: Whether splits, folds or groups are checked.
        rows: Name of a recording to its row in the manifest, where there is one.

    Raises:
        DataError: Two excerpts are not; the error names them.
    """
    files = Files()
    same: dict[str, list[Recording]] = defaultdict(list)
    for one in recordings:
        same[files.real(one.path)].append(one)
    for excerpts in same.values():
        in_order = sorted(excerpts, key=lambda one: one.excerpt.start)
        longest = in_order[0]
        for one in in_order[1:]:
            if getattr(one, part) != getattr(longest, part) and one.excerpt.start < _end(longest):
                both = " and ".join(
                    f"row {rows[each.name]} ({each.name})" if rows else each.name
                    for each in (longest, one)
                )
                raise DataError(
                    f"{source}: {both} share sound and are in different {part}s; "
                    f"give them one {part} or keep one of them"
                )
            longest = max(longest, one, key=_end)


def _end(recording: Recording) -> float:
    return float("inf") if recording.excerpt.end is None else recording.excerpt.end


class Files:
    """Identifies files by where they lie, however they are spelt; resolves each folder once."""

    def __init__(self) -> None:
        # By text: a million paths take twice as long to hash, and each keeps what that needs.
        self._folders: dict[str, str] = {}
        self._spellings: dict[str, str] = {}

    def locate(self, folder: Path, text: str, where: str) -> Path:
        """The file of a row, whichever Unicode normal form its name has on disk.

        A backslash separates folders where no file has it in its name, as Windows writes paths.
        """
        path = to_path(text) if is_url(text) else folder / text
        if isinstance(path, RemotePath):
            return path
        try:
            if "\0" in text:
                raise ValueError("it holds a NUL character")
            if not path.exists():
                texts = dict.fromkeys((text, text.replace("\\", "/")))
                others = (
                    folder / unicodedata.normalize(form, one) for one in texts for form in _FORMS
                )
                path = next((other for other in others if other.exists()), path)
            return self._resolved(path)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{where}: {text!r} cannot be a path: {error}") from None

    def _resolved(self, path: Path) -> Path:
        """The path with its folder resolved; a link keeps its name, which may give the format."""
        if isinstance(path, RemotePath):
            return path
        return Path(self._resolve(str(path)))

    def _resolve(self, text: str) -> str:
        folder, name = os.path.split(text)
        if folder not in self._folders:
            self._folders[folder] = str(Path(folder).resolve())
        return os.path.join(self._folders[folder], name)  # noqa: PTH118

    def real(self, path: Path) -> str:
        """The real path, the same for all spellings of a file and links to it."""
        text = str(path)
        if isinstance(path, RemotePath):
            return text
        resolved = str(path.resolve()) if os.path.islink(text) else self._resolve(text)  # noqa: PTH114
        return os.path.normcase(resolved)

    def spelling(self, path: Path, text: str) -> str:
        """The first spelling of the file."""
        return self._spellings.setdefault(self.real(path), text)
