"""Which sound file a label file is about."""

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from earmark.audio.reading import has_sound_name, is_audio
from earmark.data.folders import walk
from earmark.data.overlap import Files
from earmark.errors import DataError

_TAILS = re.compile(
    r"\.(?:Table\.\d+\.)?selections?$|\.BirdNET(?:\.[\w.]+)?$|\.(?:elan|labels|selection\.table)$",
    re.IGNORECASE,
)
"""What programs put between the name of the recording and the suffix."""


class SoundFinder:
    """Finds recordings by the names of label files and by the names in them.

    Args:
        audio: The recording of every label file, or the folder with the recordings; None if they
            are beside the label files.

    Raises:
        DataError: It is not there.
    """

    def __init__(self, audio: Path | None) -> None:
        if audio and not audio.exists():
            raise DataError(f"--audio {audio}: no such file or folder")
        self._file = _place(audio) if audio and not audio.is_dir() else None
        self._files = Files()
        self._beside: dict[Path, dict[str, list[Path]]] = {}
        self._below = _index(walk(audio)) if audio and audio.is_dir() else None

    def for_label_file(self, path: Path, media: Iterable[str] = ()) -> Path:
        """The recording of a label file that is about one.

        Args:
            path: The label file.
            media: The names of the recording in it, which are used if none has its own name.

        Raises:
            DataError: There is none, or several.
        """
        if self._file:
            return self._file
        stem = path.stem
        names = [stem] if (short := _TAILS.sub("", stem)) == stem else [stem, short]
        for name in names:
            if found := self._search(path, _spell(name), name):
                return found
        for name in media:
            if found := self._named(path, name):
                return found
        place = "beside it or below --audio" if self._below else "beside it"
        raise DataError(
            f"{path}: no recording with the name {names[-1]} {place}; rename it, or give --audio"
        )

    def named(self, path: Path, name: str, *, is_only: bool) -> Path:
        """The recording that a label file names.

        Args:
            path: The label file.
            name: The name or path in it; the folders need not be those of this machine.
            is_only: Whether it names no other.

        Raises:
            DataError: There is none, or several.
        """
        if self._file and is_only:
            return self._file
        if self._file:
            raise DataError(f"{path}: it names several recordings; give their folder as --audio")
        found = self._named(path, name)
        if found is None:
            place = "beside it or below --audio" if self._below else "beside it"
            raise DataError(f"{path}: its recording {name} is not {place}; give --audio FOLDER")
        return found

    def _named(self, path: Path, name: str) -> Path | None:
        local = self._files.locate(path.parent, name, str(path))
        if local.is_file() and has_sound_name(local):
            return _place(local)
        return self._search(path, _spell(re.split(r"[/\\]", name)[-1]), name)

    def _search(self, path: Path, spelling: str, name: str) -> Path | None:
        folder = path.parent
        if folder not in self._beside:
            self._beside[folder] = _index(folder.iterdir())
        for index in (self._beside[folder], self._below or {}):
            if found := index.get(spelling):
                return _choose(found, name, path)
        return None


def _index(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sound files by their name and by their name without the suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(paths):
        if is_audio(path):
            for name in {_spell(path.name), _spell(path.stem)}:
                found[name].append(_place(path))
    return dict(found)


def _place(path: Path) -> Path:
    """The one path of a file; a link keeps its name, which may give the format."""
    return path.parent.resolve() / path.name


def _spell(name: str) -> str:
    """One spelling of a name; RTTM has underscores for spaces."""
    return unicodedata.normalize("NFC", "_".join(name.split()))


def _choose(paths: list[Path], name: str, label_file: Path) -> Path:
    """The file that has most folders of the name, or of the label file, at its end."""
    written = tuple(one for one in re.split(r"[/\\]", name)[:-1] if one not in ("", ".", ".."))
    tests: tuple[Callable[[Path], int], ...] = (
        lambda path: _common(path.parent.parts, written),
        lambda path: _common(path.parent.parts, label_file.absolute().parent.parts),
    )
    for count in tests:
        most = max(map(count, paths))
        paths = [path for path in paths if count(path) == most]
    if len(paths) > 1:
        listed = " and ".join(str(path) for path in paths[:2])
        raise DataError(f"{label_file}: {name} may be {listed}; give --audio the right one")
    return paths[0]


def _common(parts: tuple[str, ...], others: tuple[str, ...]) -> int:
    """How many folders two paths share at their ends."""
    pairs = zip(reversed(parts), reversed(others), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
