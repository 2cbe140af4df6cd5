"""A data folder as people lay it out: splits, labels and groups by folder, and what is left out."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.errors import DataError

SPLIT_NAMES = {
    **dict.fromkeys(("training", "train"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("testing", "test"), "test"),
}
SPLIT_TITLES = {"train": "training", "validation": "validation", "test": "test"}
"""How messages call the splits."""


@dataclass(frozen=True)
class Sound:
    """A sound file and what the folders around it say.

    Args:
        path: The file.
        label: The folder that names its label, in normal form C.
        split: ``train``, ``validation``, ``test``, or None where the folders name no splits.
        group: The folder below the label, in normal form C; None for a file directly in the
            label's folder.
    """

    path: Path
    label: str
    split: str | None
    group: str | None


def scan(data: Path) -> tuple[list[Sound], list[str]]:
    """Finds the sound files below a folder of either layout, through links too.

    Hidden files and folders are passed over. Split folders are taken as such when sound lies in
    folders below them; ``train/*.wav`` beside other folders is a label called train.

    Args:
        data: ``DATA/{training,validation,testing}/LABEL/**`` or ``DATA/LABEL/**``.

    Returns:
        The sound, and notes on what was assumed and what was left out.

    Raises:
        DataError: The folder cannot be read, two folders mean the same split, or the name of one
            cannot be a label.
    """
    files = {path: path.relative_to(data).parts for path in walk(data)}
    sounds = {path: parts for path, parts in files.items() if is_audio(path)}
    splits = _split_folders(data, sounds.values())
    notes = []
    if splits:
        tops = sorted({parts[0] for parts in files.values() if len(parts) > 1} - set(splits))
        notes = [f"{top}: not a split folder, left out" for top in tops]
        files = {path: parts for path, parts in files.items() if parts[0] not in tops}
    found, loose = [], []
    for path in (path for path in files if path in sounds):
        # A file loose in DATA has the first part of its path for its name.
        split = splits.get(files[path][0])
        label, *folders = (*files[path][1 if split else 0 : -1], None)
        if label is None:
            loose.append(path)
        elif ";" in label:
            raise DataError(
                f"{data}: ';' parts labels, so {label!r} cannot be one; rename the folder"
            )
        else:
            found.append(Sound(path, _normal(label), split, folders[0] and _normal(folders[0])))
    if not splits:
        called = {one.label for one in found if one.group and one.label.lower() in SPLIT_NAMES}
        notes = [
            f"{one} is taken for a label, as the folders beside it are" for one in sorted(called)
        ]
    groups = {sound.group for sound in found} - {None}
    if groups:
        notes.append(f"the folders below each label are taken as {_count(len(groups), 'group')}")
    others = [path for path in files if path not in sounds]
    return found, [*notes, *_left_out(data, loose, others)]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def walk(folder: Path) -> Iterator[Path]:
    """Visible files below a folder, and what cannot be opened, in the order of their paths.

    Links are followed, never back up. Only the folders on the way to a file are held in memory.

    Raises:
        DataError: The folder itself cannot be read.
    """
    return _walk(folder, folder, frozenset())


def _walk(folder: Path, data: Path, above: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:
        return
    try:
        entries = [
            (path, path.is_dir())
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        ]
    except OSError as error:
        if folder == data:
            raise DataError(f"{data}: cannot be read: {error.strerror}") from None
        yield folder
        return
    for path, is_folder in entries:
        if is_folder:
            yield from _walk(path, data, above | {real, *real.parents})
        else:
            yield path


def _split_folders(data: Path, sounds: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Folder to split; nothing when the folders in `data` are labels."""
    depths = {parts[0]: len(parts) for parts in sorted(sounds, key=len) if len(parts) > 1}
    splits = {
        name: SPLIT_NAMES[name.lower()] for name in sorted(depths) if name.lower() in SPLIT_NAMES
    }
    hold_labels = any(depths[name] > 2 for name in splits)
    if len(splits) < len(depths) and not (hold_labels and "train" in splits.values()):
        return {}
    twice = [name for name, count in Counter(splits.values()).items() if count > 1]
    if twice:
        raise DataError(f"{data}: two folders both mean {twice[0]}; join them")
    return splits


def _left_out(data: Path, loose: Sequence[Path], others: Sequence[Path]) -> list[str]:
    notes = []
    if loose:
        first = loose[0].relative_to(data).as_posix()
        counted = _count(len(loose), "sound file")
        notes.append(f"{counted} not in a folder named by the label, left out (first: {first})")
    unknown = [path for path in others if path.is_file()]
    if unknown:
        found = sorted({path.suffix.lower() or "none" for path in unknown})
        listed = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
        notes.append(f"{_count(len(unknown), 'file')} with other extensions ({listed}) left out")
    closed = [path for path in others if not path.is_file()]
    if closed:
        first = closed[0].relative_to(data).as_posix()
        counted = _count(len(closed), "link or folder", "links or folders")
        notes.append(f"{counted} that cannot be opened, left out (first: {first})")
    return notes


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
