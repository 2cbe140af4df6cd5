"""Data folders: splits, labels and groups by folder, and what is left out."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.data.names.naming import NO_NAMING, Naming, read_names
from earmark.data.names.spelling import Spellings
from earmark.data.recording import SPLIT_NAMES, Recording
from earmark.errors import DataError


def read_folder(data: Path, naming: Naming = NO_NAMING) -> tuple[list[Recording], list[str]]:
    """Reads the recordings below a folder of either layout, through links too.

    Hidden files and folders are skipped. Split folders are taken as such when sound lies in
    folders below them; ``train/*.wav`` beside other folders is a label with the name train.

    Args:
        data: ``DATA/{training,validation,testing}/LABEL/**`` or ``DATA/LABEL/**``.
        naming: Patterns of file names. If they give the label, files lie anywhere, and folders are
            splits only if all of them are.

    Returns:
        The recordings, and notes on what was assumed and what was left out.

    Raises:
        DataError: The folder cannot be read, two folders mean the same split, the name of one
            cannot be a label, or file names do not fit their pattern.
    """
    again: list[tuple[Path, Path]] = []
    files = {path: path.relative_to(data).parts for path in walk(data, again)}
    sounds = {path: parts for path, parts in files.items() if is_audio(path)}
    splits = {} if "split" in naming.columns else _split_folders(data, sounds.values(), naming)
    notes, others = [], []
    if splits:
        others = sorted({parts[0] for parts in files.values() if len(parts) > 1} - set(splits))
        notes = [f"{other}: not a split folder, left out" for other in others]
        files = {path: parts for path, parts in files.items() if parts[0] not in others}
    # A file loose in DATA has its own name for the first part of its path.
    places = {
        path: (splits.get(parts[0], ""), parts[1 if parts[0] in splits else 0 : -1])
        for path, parts in files.items()
        if path in sounds
    }
    spellings = Spellings()
    found = _recordings(data, places, naming, spellings)
    links = [path for path, _ in again]
    loose = [path for path in places if not places[path][1] and not naming.label_from]
    unknown = [path for path in files if path not in sounds]
    notes += [*_assumed(found, splits, naming), *spellings.notes()]
    if not naming.label_from:
        _refuse_twice(data, again, len(splits) > 0)
        named = {*unknown, *links, *(data / other for other in others)}
        notes += _without_sound(data, list(splits), found, named)
    return found, [*notes, *_left_out(data, loose, unknown, links)]


_Place = tuple[str, Sequence[str]]
"""The split folder's name of a file, and the folders from its label downwards."""


def _recordings(
    data: Path, places: Mapping[Path, _Place], naming: Naming, spellings: Spellings
) -> list[Recording]:
    """The files that have a label."""
    taken = [path for path, (_, folders) in places.items() if folders or naming.label_from]
    cells = read_names(data, [path.relative_to(data).as_posix() for path in taken], naming)
    return [
        _recording((data, path), places[path], names, spellings)
        for path, names in zip(taken, cells, strict=True)
    ]


def _recording(
    file: tuple[Path, Path], place: _Place, cells: Mapping[str, str], spellings: Spellings
) -> Recording:
    """The recording that a file is.

    Args:
        file: The data folder, and the file.
        place: Its split and its folders.
        cells: What its name gives; the folders give what is missing.
        spellings: Reads the names.
    """
    split, folders = place
    data, path = file
    name, where = path.relative_to(data).as_posix(), str(data)
    group = cells.get("group", "")
    if "label" in cells:
        labels = spellings.read_labels(cells["label"], where)
    else:
        label, *below = folders
        labels = spellings.read_labels(label, where)
        if len(labels) != 1:
            reason = "';' separates labels" if labels else "it holds invisible characters only"
            raise DataError(f"{data}: {label!a} cannot be a label, as {reason}; rename the folder")
        group = cells.get("group", below[0] if below else "")
    return Recording(
        path=path,
        name=name,
        labels=tuple(sorted(labels)),
        group=spellings.read(group, "group", where) or name,
        split=SPLIT_NAMES.get(cells.get("split", split).lower()),
        fold=spellings.read(cells.get("fold", ""), "fold", where) or None,
    )


def _refuse_twice(data: Path, again: Sequence[tuple[Path, Path]], has_splits: bool) -> None:
    """Checks that no folder is linked into two labels or two splits."""
    depth = 2 if has_splits else 1
    for path, first in again:
        parts = [one.relative_to(data).parts[:depth] for one in (path, first)]
        if parts[0] != parts[1]:
            raise DataError(
                f"{data}: {first.relative_to(data)} and {path.relative_to(data)} are the same "
                "folder, under different labels or splits; remove one of the links"
            )


def _without_sound(
    data: Path, splits: Sequence[str], found: Sequence[Recording], named: Container[Path]
) -> list[str]:
    """A note on folders where a label would be, but no sound is."""
    used = {folder for one in found for folder in one.path.parents}
    parents = [data, *(data / split for split in splits)]
    empty = [
        folder.relative_to(data).as_posix()
        for parent in parents
        for folder in sorted(parent.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        if folder not in used and folder not in named
    ]
    return [f"no sound files in {', '.join(empty[:6])}{', ...' if empty[6:] else ''}"] * bool(empty)


def _assumed(found: Sequence[Recording], splits: Mapping[str, str], naming: Naming) -> list[str]:
    if naming.label_from:
        listed = ", ".join(sorted(splits))
        return [f"the folders {listed} are read as splits"] if splits else []
    notes = []
    grouped = [one for one in found if one.group != one.name]
    labels = {label for one in grouped for label in one.labels if label.lower() in SPLIT_NAMES}
    if not splits:
        notes = [
            f"{label} is taken for a label, as the folders beside it are"
            for label in sorted(labels)
        ]
    groups = {one.group for one in grouped}
    if groups and not naming.group_from:
        notes.append(f"the folders below each label are taken as {_count(len(groups), 'group')}")
    return notes


def walk(folder: Path, again: list[tuple[Path, Path]] | None = None) -> Iterator[Path]:
    """Visible files below a folder, and what cannot be opened, in the order of their paths.

    Links are followed, never back up, and each real folder is read once.

    Args:
        folder: Where to start.
        again: Takes the links to folders that were read before, each with its first path.

    Raises:
        DataError: The folder itself cannot be read.
    """
    return _Walk(folder, [] if again is None else again).below(folder, frozenset())


class _Walk:
    """Remembers the folders that were read, as two links each can make a million paths."""

    def __init__(self, data: Path, again: list[tuple[Path, Path]]) -> None:
        self._data = data
        self._again = again
        self._read: dict[Path, Path] = {}

    def below(self, folder: Path, above: frozenset[Path]) -> Iterator[Path]:
        real = folder.resolve()
        if real in above:
            return
        if self._read.setdefault(real, folder) != folder:
            self._again.append((folder, self._read[real]))
            return
        try:
            entries = [
                (path, path.is_dir())
                for path in sorted(folder.iterdir())
                if not path.name.startswith(".")
            ]
        except OSError as error:
            if folder == self._data:
                raise DataError(f"{folder}: cannot be read: {error.strerror}") from None
            yield folder
            return
        for path, is_folder in entries:
            if is_folder:
                yield from self.below(path, above | {real, *real.parents})
            else:
                yield path


def _split_folders(data: Path, sounds: Iterable[tuple[str, ...]], naming: Naming) -> dict[str, str]:
    """Folder to split; nothing when the folders in `data` are labels."""
    depths = {parts[0]: len(parts) for parts in sorted(sounds, key=len) if len(parts) > 1}
    splits = {
        name: SPLIT_NAMES[name.lower()] for name in sorted(depths) if name.lower() in SPLIT_NAMES
    }
    hold_labels = not naming.label_from and any(depths[name] > 2 for name in splits)
    if len(splits) < len(depths) and not (hold_labels and "train" in splits.values()):
        return {}
    twice = [name for name, count in Counter(splits.values()).items() if count > 1]
    if twice:
        raise DataError(f"{data}: two folders both mean {twice[0]}; merge them")
    return splits


def _left_out(
    data: Path, loose: Sequence[Path], others: Sequence[Path], again: Sequence[Path]
) -> list[str]:
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
    if again:
        first = again[0].relative_to(data).as_posix()
        counted = _count(len(again), "link")
        notes.append(f"{counted} to folders that were read already, left out (first: {first})")
    return notes


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
