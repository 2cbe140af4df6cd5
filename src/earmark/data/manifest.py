"""The table of recordings: what each file is labelled, and in which split, fold and group it is."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from earmark.audio.reading import WHOLE, Excerpt
from earmark.data.folders import SPLIT_NAMES, scan
from earmark.data.tables import COLUMNS, Row, read_rows
from earmark.errors import DataError
from earmark.system.files import csv_lines
from earmark.system.numbers import parse_number

SPLITS = ("train", "validation", "test")
_FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
_MANIFEST_NAMES = ("manifest.csv", "manifest.jsonl", "manifest.parquet")


@dataclass(frozen=True)
class Recording:
    """A file, or a stretch of one, with what is known about it.

    Args:
        path: The file.
        name: What people call it: its path below the data folder, with the excerpt if any.
        labels: Its labels; in binary and multi-class tasks exactly one.
        group: Recordings of one group (speaker, piece, session) never straddle splits.
        split: ``train``, ``validation``, ``test``, or None when not yet assigned.
        fold: The fold that the manifest names.
        excerpt: Which part of the file.
        extra: Every other column of the manifest.
    """

    path: Path
    name: str
    labels: tuple[str, ...]
    group: str
    split: str | None = None
    fold: str | None = None
    excerpt: Excerpt = WHOLE
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """All recordings of a data set, with the label vocabulary in its fixed order.

    Args:
        source: The folder or file that it was read from.
        recordings: In the order of their names.
        labels: The vocabulary, sorted; the index of a label is its target.
        notes: What was assumed while reading, to be said aloud.
        folder: The data folder, which nothing is written to; None when a table alone was given.
    """

    source: Path
    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def has_splits(self) -> bool:
        """Whether every recording knows its split."""
        return all(recording.split for recording in self.recordings)

    @property
    def undivided(self) -> tuple[Recording, ...]:
        """What is still to be divided by group: everything, or training without validation."""
        if not self.has_splits:
            return self.recordings
        return () if self.split("validation") else self.split("train")

    def split(self, name: str) -> tuple[Recording, ...]:
        """The recordings of a split, in order."""
        return tuple(recording for recording in self.recordings if recording.split == name)

    def targets(self, recording: Recording) -> tuple[int, ...]:
        """Indices of a recording's labels in the vocabulary."""
        return tuple(self.labels.index(label) for label in recording.labels)

    def summary(self) -> str:
        """One line: how many recordings of which label are in which split."""
        parts = []
        for split in SPLITS:
            counts = Counter(label for one in self.split(split) for label in one.labels)
            if counts:
                listed = " + ".join(f"{counts[label]} {label}" for label in self.labels)
                parts.append(f"{split} {listed}")
        if not parts:
            counts = Counter(label for one in self.recordings for label in one.labels)
            parts = [f"{counts[label]} {label}" for label in self.labels]
        return ", ".join(parts)

    def to_csv(self, keys: Mapping[str, str]) -> str:
        """The table as CSV text.

        Args:
            keys: Name of a recording to the key of its content, where it is known.
        """
        rows: list[tuple[object, ...]] = [
            ("name", "label", "split", "fold", "group", "start", "end", "key")
        ]
        for one in self.recordings:
            end = "" if one.excerpt.end is None else one.excerpt.end
            names = (one.name, ";".join(one.labels), one.split or "", one.fold or "", one.group)
            rows.append((*names, one.excerpt.start or "", end, keys.get(one.name, "")))
        return "".join(csv_lines(rows))


def read_manifest(data: Path) -> Manifest:
    """Reads a data set: a folder of either layout, or a CSV, JSON Lines or Parquet manifest.

    Args:
        data: ``DATA/{training,validation,testing}/LABEL/**``, ``DATA/LABEL/**``, a folder that
            holds a ``manifest.csv`` (``.jsonl``, ``.parquet``), or the manifest itself. In both
            layouts the folder below the label, if there is one, is the group.

    Raises:
        DataError: Nothing usable is there, or groups or sound overlap between splits.
    """
    if not data.exists():
        raise DataError(f"{data}: no such file or folder")
    if data.is_file():
        return _read_table(data)
    table = next((data / name for name in _MANIFEST_NAMES if (data / name).is_file()), None)
    return replace(_read_folder(data) if table is None else _read_table(table), folder=data)


def _read_folder(data: Path) -> Manifest:
    sounds, notes = scan(data)
    recordings = []
    for one in sounds:
        name = one.path.relative_to(data).as_posix()
        group = one.group or name
        recordings.append(Recording(one.path, name, (one.label,), group=group, split=one.split))
    return _checked(_manifest(data, recordings, notes), {})


def _manifest(source: Path, recordings: Iterable[Recording], notes: Sequence[str]) -> Manifest:
    ordered = tuple(sorted(recordings, key=lambda one: (one.name, one.excerpt.start)))
    labels = tuple(sorted({label for one in ordered for label in one.labels}))
    return Manifest(source, ordered, labels, tuple(notes))


def _checked(manifest: Manifest, rows: Mapping[str, int]) -> Manifest:
    if not manifest.recordings:
        found = f" ({'; '.join(manifest.notes)})" if manifest.notes else ""
        raise DataError(
            f"{manifest.source}: no sound files found; expected DATA/LABEL/*.wav, "
            "DATA/{training,validation,testing}/LABEL/*.wav or a manifest with path and label"
            f"{found}"
        )
    if any(recording.split for recording in manifest.recordings) and not manifest.has_splits:
        without = next(one for one in manifest.recordings if not one.split)
        raise DataError(
            f"{manifest.source}: {without.name} has no split but others have; fill in every split"
        )
    refuse_group_overlap(manifest)
    refuse_sound_overlap(manifest.source, manifest.undivided, "group", rows)
    if manifest.has_splits:
        refuse_sound_overlap(manifest.source, manifest.recordings, "split", rows)
    return manifest


def refuse_group_overlap(manifest: Manifest, part: Literal["split", "fold"] = "split") -> None:
    """Checks that no group is in two splits, or in two folds.

    Raises:
        DataError: With the first groups that are.
    """
    parts = defaultdict(set)
    for one in manifest.recordings:
        if name := getattr(one, part):
            parts[one.group].add(name)
    shared = sorted(group for group, names in parts.items() if len(names) > 1)
    if shared:
        listed = ", ".join(
            f"{group} ({' and '.join(sorted(parts[group]))})" for group in shared[:3]
        )
        mend = f"move each group into one {part}"
        if manifest.source.is_dir():
            mend += (
                "; if these folders are no groups of recordings that belong together, rename them "
                "or give a manifest with a group column"
            )
        raise DataError(
            f"{manifest.source}: {len(shared)} groups are in more than one {part}: {listed}; {mend}"
        )


def refuse_sound_overlap(
    source: Path,
    recordings: Iterable[Recording],
    apart: Literal["split", "fold", "group"],
    rows: Mapping[str, int] | None = None,
) -> None:
    """Checks that stretches of one file that overlap are in one split, fold or group.

    Args:
        source: The data set, named in the error.
        recordings: Which ones are compared.
        apart: What has to be the same.
        rows: Name of a recording to its row in the manifest, where there is one.

    Raises:
        DataError: With the first two stretches that are not.
    """
    files = _Files()
    same = defaultdict(list)
    for one in recordings:
        same[files.real(one.path)].append(one)
    for sharing in same.values():
        in_order = sorted(sharing, key=lambda one: one.excerpt.start)
        longest = in_order[0]
        for one in in_order[1:]:
            if getattr(one, apart) != getattr(longest, apart) and one.excerpt.start < _end(longest):
                both = " and ".join(
                    f"row {rows[each.name]} ({each.name})" if rows else each.name
                    for each in (longest, one)
                )
                raise DataError(
                    f"{source}: {both} share sound and are in different {apart}s; "
                    f"give them one {apart} or keep one of them"
                )
            longest = max(longest, one, key=_end)


def _end(recording: Recording) -> float:
    return float("inf") if recording.excerpt.end is None else recording.excerpt.end


def _read_table(path: Path) -> Manifest:
    recordings = []
    files = _Files()
    rows: dict[str, int] = {}
    seen: dict[tuple[Path, Excerpt], int] = {}
    for row in read_rows(path):
        one = _recording(path, row, files)
        first = seen.setdefault((files.real(one.path), one.excerpt), row.number)
        if first != row.number:
            raise DataError(
                f"{path}, rows {first} and {row.number}: {one.path} is listed twice; keep one row"
            )
        first = rows.setdefault(one.name, row.number)
        if first != row.number:
            raise DataError(
                f"{path}, rows {first} and {row.number}: both are called {one.name}; rename a file"
            )
        recordings.append(one)
    _refuse_forgotten_labels(path, recordings, rows)
    return _checked(_manifest(path, recordings, [f"taken from {path.name}"]), rows)


def _refuse_forgotten_labels(
    source: Path, recordings: Sequence[Recording], rows: Mapping[str, int]
) -> None:
    """A recording may have no label among others that have several; elsewhere it is a mistake."""
    empty = next((one for one in recordings if not one.labels), None)
    if empty and not any(len(one.labels) > 1 for one in recordings):
        raise DataError(f"{source}, row {rows[empty.name]}: label missing")


def _recording(source: Path, row: Row, files: "_Files") -> Recording:
    where = f"{source}, row {row.number}"
    cells = row.cells
    labels = {part.strip() for part in _normal(cells.get("label", "")).split(";")} - {""}
    if not cells.get("path"):
        raise DataError(f"{where}: {'path' if labels else 'path and label'} missing")
    split = cells.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise DataError(f"{where}: split {split!r} is not training, validation or testing")
    excerpt = Excerpt(_seconds(cells, "start", where) or 0.0, _seconds(cells, "end", where))
    if excerpt.end is not None and excerpt.end <= excerpt.start:
        raise DataError(f"{where}: end {cells['end']} s is not after start {cells['start']} s")
    path = files.locate(source.parent, cells["path"], where)
    return Recording(
        path=path,
        name=cells["path"] + (f" {excerpt}" if excerpt != WHOLE else ""),
        labels=tuple(sorted(labels)),
        group=_normal(cells.get("group", "")) or files.spelling(path, cells["path"]),
        split=SPLIT_NAMES.get(split),
        fold=cells.get("fold") or None,
        excerpt=excerpt,
        extra={key: value for key, value in cells.items() if key not in COLUMNS},
    )


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


class _Files:
    """Tells files apart by where they lie, however they are spelt; resolves each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}
        self._real: dict[Path, Path] = {}
        self._spellings: dict[Path, str] = {}

    def locate(self, folder: Path, text: str, where: str) -> Path:
        """The file that a row means, whichever normal form its name has on disk."""
        path = folder / text
        try:
            if "\0" in text:
                raise ValueError("it holds a NUL character")
            if not path.exists():
                others = (folder / unicodedata.normalize(form, text) for form in _FORMS)
                path = next((other for other in others if other.exists()), path)
            return self._resolved(path)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{where}: {text!r} cannot be a path: {error}") from None

    def _resolved(self, path: Path) -> Path:
        """With its folder resolved; a link keeps its name, which may alone tell the format."""
        if path.parent not in self._folders:
            self._folders[path.parent] = path.parent.resolve()
        return self._folders[path.parent] / path.name

    def real(self, path: Path) -> Path:
        """The same for all spellings of a file and links to it."""
        if path not in self._real:
            resolved = self._resolved(path)
            self._real[path] = resolved.resolve() if path.is_symlink() else resolved
        return self._real[path]

    def spelling(self, path: Path, text: str) -> str:
        """How the file was first spelt."""
        return self._spellings.setdefault(self.real(path), text)


def _seconds(cells: Mapping[str, str], column: str, where: str) -> float | None:
    text = cells.get(column)
    if not text:
        return None
    seconds = parse_number(text)
    if seconds is None or seconds < 0:
        raise DataError(f"{where}: {column} {text!r} is not a number of seconds")
    return seconds
