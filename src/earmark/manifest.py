"""The table of recordings: what each file is labelled, and in which split, fold and group it is."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.audio import WHOLE, Excerpt, is_audio
from earmark.errors import DataError

SPLITS = ("train", "validation", "test")
_SPLIT_NAMES = {
    **dict.fromkeys(("training", "train"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("testing", "test"), "test"),
}
_MANIFEST_NAMES = ("manifest.csv", "manifest.jsonl", "manifest.parquet")
_COLUMNS = ("path", "label", "split", "fold", "group", "start", "end")


@dataclass(frozen=True)
class Recording:
    """A file, or a stretch of one, with what is known about it.

    Args:
        path: The file.
        name: What people call it: its path below the data folder, with the excerpt if any.
        labels: Its labels; binary and multi-class tasks have one.
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
    """

    source: Path
    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def has_splits(self) -> bool:
        """Whether every recording knows its split."""
        return all(recording.split for recording in self.recordings)

    def split(self, name: str) -> tuple[Recording, ...]:
        """The recordings of a split, in order."""
        return tuple(recording for recording in self.recordings if recording.split == name)

    def target(self, recording: Recording) -> int:
        """Index of a recording's label in the vocabulary."""
        return self.labels.index(recording.labels[0])

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
        columns = ("name", "label", "split", "fold", "group", "start", "end", "key")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for one in self.recordings:
            end = "" if one.excerpt.end is None else one.excerpt.end
            row = (one.name, ";".join(one.labels), one.split or "", one.fold or "", one.group)
            writer.writerow((*row, one.excerpt.start or "", end, keys.get(one.name, "")))
        return text.getvalue()


def read_manifest(data: Path) -> Manifest:
    """Reads a data set: a folder of either layout, or a CSV, JSON Lines or Parquet manifest.

    Args:
        data: ``DATA/{training,validation,testing}/LABEL/**``, ``DATA/LABEL/**``, a folder that
            holds a ``manifest.csv`` (``.jsonl``, ``.parquet``), or the manifest itself. In
            ``DATA/LABEL/GROUP/**`` the folder below the label is the group.

    Raises:
        DataError: Nothing usable is there, or groups overlap between splits.
    """
    if not data.exists():
        raise DataError(f"{data}: no such file or folder")
    if data.is_file():
        return _checked(_read_table(data))
    for name in _MANIFEST_NAMES:
        if (data / name).is_file():
            return _checked(_read_table(data / name))
    return _checked(_scan(data))


def _checked(manifest: Manifest) -> Manifest:
    if not manifest.recordings:
        raise DataError(
            f"{manifest.source}: no sound files found; expected DATA/LABEL/*.wav, "
            "DATA/{training,validation,testing}/LABEL/*.wav or a manifest with path and label"
        )
    if any(recording.split for recording in manifest.recordings) and not manifest.has_splits:
        without = next(one for one in manifest.recordings if not one.split)
        raise DataError(
            f"{manifest.source}: {without.name} has no split but others have; fill in every split"
        )
    refuse_group_overlap(manifest)
    return manifest


def refuse_group_overlap(manifest: Manifest) -> None:
    """Checks that no group is in two splits.

    Raises:
        DataError: With the first groups that are.
    """
    splits = defaultdict(set)
    for one in manifest.recordings:
        if one.split:
            splits[one.group].add(one.split)
    shared = sorted(group for group, names in splits.items() if len(names) > 1)
    if shared:
        listed = ", ".join(
            f"{group} ({' and '.join(sorted(splits[group]))})" for group in shared[:3]
        )
        raise DataError(
            f"{manifest.source}: {len(shared)} groups are in more than one split: {listed}; "
            "move each group into one split"
        )


def _visible_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if is_audio(path)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _scan(data: Path) -> Manifest:
    folders = [path for path in sorted(data.iterdir()) if path.is_dir()]
    splits = {
        path: _SPLIT_NAMES[path.name.lower()]
        for path in folders
        if path.name.lower() in _SPLIT_NAMES
    }
    visible = [path for path in folders if not path.name.startswith(".")]
    if not splits or ("train" not in splits.values() and len(splits) < len(visible)):
        return _scan_labels(data, folders)
    twice = [name for name, count in Counter(splits.values()).items() if count > 1]
    if twice:
        raise DataError(f"{data}: two folders both mean {twice[0]}; join them")
    notes = [f"{path.name}: not a split folder, left out" for path in visible if path not in splits]
    recordings = []
    for folder, split in splits.items():
        for path in _visible_files(folder):
            name = path.relative_to(data).as_posix()
            label = path.relative_to(folder).parts[0]
            if label == path.name:
                notes.append(f"{name}: not in a folder named by its label, left out")
                continue
            recordings.append(Recording(path, name, (label,), group=name, split=split))
    return _manifest(data, recordings, notes)


def _scan_labels(data: Path, folders: Sequence[Path]) -> Manifest:
    recordings, notes, groups = [], [], set()
    for folder in folders:
        if folder.name.startswith("."):
            continue
        for path in _visible_files(folder):
            name = path.relative_to(data).as_posix()
            inner = path.relative_to(folder).parts
            group = name if len(inner) == 1 else inner[0]
            if len(inner) > 1:
                groups.add(group)
            recordings.append(Recording(path, name, (folder.name,), group=group))
    if groups:
        notes.append(f"the folders below each label are taken as {len(groups)} groups")
    return _manifest(data, recordings, notes)


def _manifest(source: Path, recordings: Iterable[Recording], notes: Sequence[str]) -> Manifest:
    ordered = tuple(sorted(recordings, key=lambda one: (one.name, one.excerpt.start)))
    labels = tuple(sorted({label for one in ordered for label in one.labels}))
    return Manifest(source, ordered, labels, tuple(notes))


def _read_table(path: Path) -> Manifest:
    rows = _read_rows(path)
    recordings = [
        _recording(path, number, row)
        for number, row in enumerate(rows, start=2 if path.suffix.lower() == ".csv" else 1)
    ]
    seen = Counter((one.path, one.excerpt) for one in recordings)
    twice = next((file for (file, _), count in seen.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path}: {twice} is listed twice; keep one row")
    return _manifest(path, recordings, [f"taken from {path.name}"])


def _read_rows(path: Path) -> list[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix not in {".csv", ".jsonl", ".ndjson"}:
        raise DataError(
            f"{path}: not a manifest; give a folder, or a .csv, .jsonl or .parquet file"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    if suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text)))
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                raise DataError(f"{path}, line {number}: not a JSON object") from None
    return rows


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow; install it with: pip install 'earmark[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None


def _recording(source: Path, number: int, row: Mapping[str, Any]) -> Recording:
    where = f"{source}, row {number}"
    cells = {str(key): _cell(value) for key, value in row.items() if key}
    labels = tuple(sorted({part.strip() for part in cells.get("label", "").split(";")} - {""}))
    found = {"path": cells.get("path"), "label": labels}
    missing = [column for column, value in found.items() if not value]
    if missing:
        raise DataError(f"{where}: {' and '.join(missing)} missing")
    split = cells.get("split", "").lower()
    if split and split not in _SPLIT_NAMES:
        raise DataError(f"{where}: split {split!r} is not training, validation or testing")
    excerpt = Excerpt(_seconds(cells, "start", where) or 0.0, _seconds(cells, "end", where))
    if excerpt.end is not None and excerpt.end <= excerpt.start:
        raise DataError(f"{where}: end {excerpt.end:g} s is not after start {excerpt.start:g} s")
    name = cells["path"] + (f" {excerpt}" if excerpt != WHOLE else "")
    return Recording(
        path=source.parent / cells["path"],
        name=name,
        labels=labels,
        group=cells.get("group") or cells["path"],
        split=_SPLIT_NAMES.get(split),
        fold=cells.get("fold") or None,
        excerpt=excerpt,
        extra={key: value for key, value in cells.items() if key not in _COLUMNS},
    )


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return "" if value is None else str(value).strip()


def _seconds(cells: Mapping[str, str], column: str, where: str) -> float | None:
    text = cells.get(column)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0 <= seconds < float("inf"):
        raise DataError(f"{where}: {column} {text!r} is not a number of seconds")
    return seconds
