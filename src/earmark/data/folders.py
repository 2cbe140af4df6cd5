"""Data folders: splits, labels and groups by folder, and what is left out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.data.naming import NO_NAMING, Naming, read_names
from earmark.data.recording import SPLIT_NAMES, Recording, normalize
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
    files = {path: path.relative_to(data).parts for path in walk(data)}
    sounds = {path: parts for path, parts in files.items() if is_audio(path)}
    splits = {} if "split" in naming.columns else _split_folders(data, sounds.values(), naming)
    notes = []
    if splits:
        others = sorted({parts[0] for parts in files.values() if len(parts) > 1} - set(splits))
        notes = [f"{other}: not a split folder, left out" for other in others]
        files = {path: parts for path, parts in files.items() if parts[0] not in others}
    # A file loose in DATA has its own name for the first part of its path.
    folders = {
        path: parts[1 if parts[0] in splits else 0 : -1]
        for path, parts in files.items()
        if path in sounds
    }
    taken = [path for path in folders if folders[path] or naming.label_from]
    cells = read_names(data, [path.relative_to(data).as_posix() for path in taken], naming)
    found = [
        _recording(data, path, folders[path], {"split": splits.get(files[path][0], ""), **names})
        for path, names in zip(taken, cells, strict=True)
    ]
    loose = [path for path in folders if not folders[path] and not naming.label_from]
    unknown = [path for path in files if path not in sounds]
    assumed = _assumed(found, splits, naming)
    return found, [*notes, *assumed, *_left_out(data, loose, unknown)]


def _recording(
    data: Path, path: Path, folders: Sequence[str], cells: Mapping[str, str]
) -> Recording:
    """The recording that a file is.

    Args:
        data: The data folder.
        path: The file.
        folders: Those from its label downwards.
        cells: Its split, and what its name gives; the folders give what is missing.
    """
    name = path.relative_to(data).as_posix()
    group = cells.get("group", name)
    if "label" in cells:
        labels = {part.strip() for part in normalize(cells["label"]).split(";")} - {""}
    else:
        label, *below = folders
        if ";" in label:
            raise DataError(
                f"{data}: ';' separates labels, so {label!r} cannot be one; rename the folder"
            )
        labels = {normalize(label)}
        group = cells.get("group", normalize(below[0]) if below else name)
    return Recording(
        path=path,
        name=name,
        labels=tuple(sorted(labels)),
        group=group,
        split=SPLIT_NAMES.get(cells["split"].lower()),
        fold=cells.get("fold"),
    )


def _assumed(found: Sequence[Recording], splits: Mapping[str, str], naming: Naming) -> list[str]:
    if naming.label_from:
        listed = ", ".join(sorted(splits))
        return [f"the folders {listed} are taken for splits"] if splits else []
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
