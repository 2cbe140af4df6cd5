"""Which files hold labels, and in which format."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.data.folders import walk
from earmark.data.tables.rows import read_unicode
from earmark.errors import DataError
from earmark.labelling.imports.annotations import LabelFile, ReadOptions
from earmark.labelling.imports.readers.audacity import read_audacity
from earmark.labelling.imports.readers.elan import read_elan
from earmark.labelling.imports.readers.rttm import read_rttm
from earmark.labelling.imports.readers.segments_json import read_segments_json
from earmark.labelling.imports.readers.tables import find_program, read_table, split_header
from earmark.labelling.imports.readers.textgrid import read_textgrid
from earmark.labelling.imports.readers.webvtt import read_webvtt
from earmark.system.numbers import parse_number

_READERS = {
    "Audacity": read_audacity,
    "Praat": read_textgrid,
    "RTTM": read_rttm,
    "WebVTT": read_webvtt,
    "JSON": read_segments_json,
    "table": read_table,
}
_FORMATS = {
    ".textgrid": "Praat",
    ".rttm": "RTTM",
    ".vtt": "WebVTT",
    ".json": "JSON",
}
_ELAN = ".eaf"
_TABLES = (".csv", ".tsv", ".txt")
SUFFIXES = (*_FORMATS, _ELAN, *_TABLES)
"""Of label files, in small letters."""


def find_label_files(source: Path) -> Iterator[Path]:
    """A file as it is, or the files below a folder that have the suffix of a label file.

    Args:
        source: A file or a folder.

    Raises:
        DataError: It is not there, or the folder cannot be read.
    """
    if source.is_dir():
        yield from (path for path in walk(source) if path.suffix.lower() in SUFFIXES)
    elif source.exists():
        yield source
    else:
        raise DataError(f"{source}: no such file or folder")


def read_label_file(path: Path, options: ReadOptions) -> LabelFile:
    """Reads a label file.

    Args:
        path: The file.
        options: What the readers are told.

    Returns:
        What it holds; ``is_known`` is false if it is in no format of labels.

    Raises:
        DataError: It cannot be read as text.
    """
    found = LabelFile(options)
    if path.suffix.lower() == _ELAN:
        try:
            read_elan(path.read_bytes(), found)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    else:
        text = read_unicode(path)
        if not text.strip():
            raise DataError(f"{path}: the file is empty; export it again, or delete it")
        kind = _format(path, text, options)
        if kind in _READERS:
            _READERS[kind](text.removeprefix("\ufeff"), found)
        else:
            found.is_known = False
            found.fail("file", kind)
    _require_tiers(found, options.tiers)
    return found


def _format(path: Path, text: str, options: ReadOptions) -> str:
    """The name of the format, or why the file has none."""
    suffix = path.suffix.lower()
    if "ooTextFile" in text[:100]:
        return "Praat"
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    if suffix not in _TABLES:
        known = ", ".join(SUFFIXES)
        return f"not a label file; the suffixes are {known}"
    delimiter, header = split_header(text)
    if _is_time(header[0] if delimiter == "\t" and header else ""):
        return "Audacity"
    if options.columns or find_program(header):
        return "table"
    listed = ", ".join(header[:8]) + (", ..." if header[8:] else "")
    return (
        f"no label track, and no table of a known program ({listed}); name its columns with "
        "--columns start=COLUMN,end=COLUMN,label=COLUMN"
    )


def _is_time(cell: str) -> bool:
    return parse_number(cell.replace(",", ".")) is not None


def _require_tiers(found: LabelFile, tiers: Sequence[str]) -> None:
    """A file that has tiers must have one of those that are asked for."""
    if tiers and found.tiers and not set(tiers) & set(found.tiers) and not found.problems:
        found.fail("tiers", f"no tier {' or '.join(tiers)}; the tiers are {', '.join(found.tiers)}")
