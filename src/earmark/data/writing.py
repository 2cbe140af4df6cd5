"""Recordings as tables that read back as the same recordings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from earmark.data.recording import Recording
from earmark.data.tables.columns import STORED_COLUMNS
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.system.files import csv_lines, path_from

_Cell = Callable[[Recording], object]
_CELLS: dict[str, _Cell] = {
    "label": lambda one: ";".join(one.labels),
    "split": lambda one: one.split or "",
    "fold": lambda one: one.fold or "",
    "group": lambda one: one.group,
    "start": lambda one: one.excerpt.start or "",
    "end": lambda one: "" if one.excerpt.end is None else one.excerpt.end,
}


def stored_table(recordings: Sequence[Recording], keys: Mapping[str, ClipKey], folder: Path) -> str:
    """The text of ``recordings.csv``: every column, whether in use or not.

    Args:
        recordings: What is listed.
        keys: Name of a recording to the key of its features, where they are stored.
        folder: Where the table will lie; the paths are relative to it.
    """
    cells = {
        "path": lambda one: _path_cell(folder, one),
        "name": lambda one: one.name,
        **_CELLS,
        "key": lambda one: keys.get(one.name, ""),
    }
    rows = ([cells[column](one) for column in STORED_COLUMNS] for one in recordings)
    return "".join(csv_lines([STORED_COLUMNS, *rows]))


def manifest_table(recordings: Sequence[Recording], folder: Path) -> str:
    """The text of a manifest with the columns that are in use.

    Args:
        recordings: What is listed.
        folder: Where the table will lie; the paths are relative to it.

    Raises:
        DataError: A file name is no text.
    """
    cells = {"label": _CELLS["label"]}
    for column in ("split", "fold", "start", "end"):
        if any(_CELLS[column](one) != "" for one in recordings):
            cells[column] = _CELLS[column]
    if any(one.has_group for one in recordings):
        cells["group"] = _CELLS["group"]
    extra = dict.fromkeys(column for one in recordings for column in one.extra)
    rows = [
        [
            _path_cell(folder, one),
            *(cell(one) for cell in cells.values()),
            *(one.extra.get(column, "") for column in extra),
        ]
        for one in recordings
    ]
    text = "".join(csv_lines([("path", *cells, *extra), *rows]))
    try:
        text.encode()
    except UnicodeEncodeError:
        names = (one.name for one in recordings)
        wrong = next(name for name in names if name != name.encode(errors="replace").decode())
        raise DataError(
            f"{wrong!r}: the name is not UTF-8, so no table can hold it; rename the file"
        ) from None
    return text


def _path_cell(folder: Path, one: Recording) -> str:
    path = path_from(folder, one.path)
    # Spaces around a cell are no part of it.
    return path if path == path.lstrip() else f"./{path}"
