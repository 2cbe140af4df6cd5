"""Tables of annotations: Raven, Kaleidoscope, BirdNET, ELAN, earmark, or columns by name."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from earmark.labelling.imports.annotations import Entry, LabelFile

FACTS = ("group", "split", "fold")
ROLES = (
    *("path", "start", "end", "duration", "label", "tier", "low_hz", "high_hz", "probability"),
    *FACTS,
)
"""What ``--columns`` may name."""
_DELIMITERS = ("\t", ",", ";", "|")
_NO_CALL = "nocall"
"""What BirdNET writes where it found nothing."""
_CLIP_SECONDS = 3.0
"""Length of BirdNET's windows, of which the last one goes on beyond the end of the recording."""
_EXTRA = "\0"
"""Begins the names of cells that have no column."""


@dataclass(frozen=True)
class Program:
    """The columns of a table that a program writes, in small letters.

    Args:
        name: The program.
        columns: What a column holds, to its possible names, the first that is there.
        needed: The columns that it is recognized by.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    needed: Sequence[str] = field(default=())


_LIMITS = {"low_hz": ("low freq (hz)",), "high_hz": ("high freq (hz)",)}
PROGRAMS = (
    Program(
        "Raven",
        {
            "path": ("begin path", "begin file"),
            "start": ("begin time (s)",),
            "end": ("end time (s)",),
            "label": (
                "annotation",
                "species",
                "common name",
                "label",
                "class",
                "call type",
                "type",
            ),
            "probability": ("confidence",),
            "file_start": ("file offset (s)",),
            **_LIMITS,
        },
        ("begin time (s)",),
    ),
    Program(
        "Kaleidoscope",
        {
            "path": ("in file",),
            "start": ("offset",),
            "duration": ("duration",),
            "label": (
                *("manual id", "manual id*", "common_name", "top1match", "top1match*"),
                *("auto id", "auto id*"),
            ),
            "probability": ("confidence",),
        },
        ("in file", "offset"),
    ),
    Program(
        "BirdNET",
        {
            "path": ("file",),
            "start": ("start (s)",),
            "end": ("end (s)",),
            "label": ("common name",),
            "probability": ("confidence",),
        },
        ("start (s)", "end (s)"),
    ),
    Program(
        "BirdNET for R",
        {
            "path": ("filepath",),
            "start": ("start",),
            "end": ("end",),
            "label": ("common_name",),
            "probability": ("confidence",),
        },
        ("filepath", "start", "end"),
    ),
    Program(
        "ELAN",
        {
            "tier": ("tier",),
            "start": ("begin time",),
            "end": ("end time",),
            "label": ("annotation",),
        },
        ("tier", "begin time", "annotation"),
    ),
    Program(
        "earmark",
        {
            "path": ("path",),
            "start": ("start",),
            "end": ("end",),
            "label": ("label",),
            "probability": ("probability",),
            **{one: (one,) for one in (*FACTS, "low_hz", "high_hz")},
        },
        ("start", "end", "label"),
    ),
)


def find_program(header: Sequence[str]) -> Program | None:
    """The program that writes a table with such columns.

    Args:
        header: The names of the columns.
    """
    names = {one.strip().lower() for one in header}
    return next((one for one in PROGRAMS if names.issuperset(one.needed)), None)


def split_header(text: str) -> tuple[str, list[str]]:
    """The delimiter of a table, and the names of its columns.

    Args:
        text: The file.
    """
    line = next((one for one in text.splitlines() if one.strip()), "")
    delimiter = max(_DELIMITERS, key=line.count)
    return delimiter, next(csv.reader([line], delimiter=delimiter), [])


def read_table(text: str, found: LabelFile) -> None:
    """Reads a table with a header.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    delimiter, header = split_header(text)
    program = find_program(header)
    columns = _columns(header, program, found)
    is_ours = program is not None and program.name == "earmark"
    found.is_manifest = is_ours and "path" in columns and not found.options.columns
    if found.problems:
        return
    rows = _rows(text, delimiter, header, found)
    if any(one.strip().lower() == "confidence" for one in header):
        found.overhang_seconds = _CLIP_SECONDS
    if program and program.name == "Raven" and "start" not in found.options.columns:
        rows = _without_views(rows)
        _refuse_sequence(rows, columns, found)
    for number, cells in rows:
        _add(f"row {number}", cells, columns, found)


def _columns(
    header: Sequence[str], program: Program | None, found: LabelFile
) -> dict[str, Sequence[str]]:
    """What a column holds, to the columns with it, the first that has a value in a row."""
    names = {one.strip().lower(): one.strip() for one in header}
    given = found.options.columns
    columns: dict[str, Sequence[str]] = {}
    if program:
        found_names = {
            role: [names[one] for one in known if one in names]
            for role, known in program.columns.items()
        }
        columns = {role: texts for role, texts in found_names.items() if texts}
    if given:
        absent = [one for one in given.values() if one.strip().lower() not in names]
        if absent:
            found.fail("header", f"no column {absent[0]!r}; {_listed(header)}")
        times = {"start", "end", "duration", "file_start"}
        replaced = {*given, *(times if times & set(given) else ())}
        columns = {role: texts for role, texts in columns.items() if role not in replaced}
        columns |= {role: [names.get(one.strip().lower(), one)] for role, one in given.items()}
    _require(header, columns, found)
    return columns


def _require(header: Sequence[str], columns: Mapping[str, object], found: LabelFile) -> None:
    missing = [] if "label" in columns else ["label"]
    if "start" in columns and not {"end", "duration"} & set(columns):
        missing.append("end")
    if "start" not in columns and {"end", "duration", "file_start"} & set(columns):
        missing.append("start")
    if not columns or (missing == ["label"] and "start" not in columns):
        missing = ["start", "end", "label"]
    if missing:
        given = ",".join(f"{one}=COLUMN" for one in missing)
        found.fail(
            "header",
            f"no column for {' and '.join(missing)}; name it with --columns {given}; "
            f"{_listed(header)}",
        )


def _listed(header: Sequence[str]) -> str:
    names = [one.strip() for one in header if one.strip()]
    return f"the columns are {', '.join(names[:12])}{', ...' if names[12:] else ''}"


_Row = tuple[int, dict[str, str]]


def _rows(text: str, delimiter: str, header: Sequence[str], found: LabelFile) -> list[_Row]:
    """The rows after the header, each with the number of its line."""
    names = [one.strip() for one in header]
    try:
        return _split(text, delimiter, names, is_quoted=True)
    except csv.Error as error:
        # Raven quotes nothing, so that a quote is part of a text.
        if delimiter == "\t":
            return _split(text, delimiter, names, is_quoted=False)
        found.fail("file", f"cannot be read as CSV: {error}; correct the quotes")
        return []


def _split(text: str, delimiter: str, names: Sequence[str], *, is_quoted: bool) -> list[_Row]:
    quoting = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True
    )
    rows: list[_Row] = []
    number, is_header = 1, True
    for cells in reader:
        if any(map(str.strip, cells)):
            if not is_header:
                stripped = [cell.strip() for cell in cells]
                stripped += [""] * (len(names) - len(cells))
                # A cell too many takes the name of its place, so that it is seen.
                extra = [f"{_EXTRA}{at}" for at in range(len(names) + 1, len(cells) + 1)]
                rows.append((number, dict(zip([*names, *extra], stripped, strict=True))))
            is_header = False
        number = reader.line_num + 1
    return rows


def _without_views(rows: Sequence[_Row]) -> list[_Row]:
    """One row for each selection: Raven lists it in every view, and waveforms have no limits."""
    kept: dict[tuple[str, ...], _Row] = {}
    for number, cells in rows:
        selection = cells.get("Selection", "")
        others = (value for key, value in cells.items() if key not in ("View", *_LIMIT_NAMES))
        key = tuple(others) if selection else (str(number),)
        if key not in kept or not any(kept[key][1].get(one) for one in _LIMIT_NAMES):
            kept[key] = (kept[key][0] if key in kept else number, cells)
    return list(kept.values())


_LIMIT_NAMES = ("Low Freq (Hz)", "High Freq (Hz)")


def _refuse_sequence(
    rows: Sequence[_Row], columns: Mapping[str, Sequence[str]], found: LabelFile
) -> None:
    """Times of several files in a row count from the first one, unless there is an offset."""
    paths = {_value(cells, columns, "path") for _, cells in rows}
    if len(paths) > 1 and "file_start" not in columns:
        found.fail(
            "header",
            f"{len(paths)} recordings, but no column File Offset (s): their times may count from "
            "the first one; add the measurement File Offset in Raven",
        )


def _value(cells: Mapping[str, str], columns: Mapping[str, Sequence[str]], role: str) -> str:
    return next((cells[one] for one in columns.get(role, ()) if cells[one]), "")


def _add(
    where: str, cells: Mapping[str, str], columns: Mapping[str, Sequence[str]], found: LabelFile
) -> None:
    value = {role: _value(cells, columns, role) for role in (*ROLES, "file_start")}
    recording = _recording(cells, value["path"])
    more = next((text for name, text in cells.items() if name.startswith(_EXTRA) and text), "")
    if more:
        found.fail(where, f"more cells than columns ({more!r}); quote a cell with a delimiter")
        return
    if columns.get("tier"):
        found.tiers += [value["tier"]] if value["tier"] not in found.tiers else []
        if not found.options.wants(value["tier"]):
            return
    if value["label"].lower() == _NO_CALL:
        return
    if found.is_manifest:
        # Its excerpts may start with the file, and the label may be that of the whole file.
        value["start"] = value["start"] or ("0" if value["end"] else "")
    has_times = "start" in columns and not found.is_manifest
    if has_times and not value["start"]:
        found.fail(where, "no start; write it, or delete the row", recording)
        return
    if has_times and not (value["end"] or value["duration"]):
        found.fail(where, "no end; write it, or delete the row", recording)
        return
    found.add(
        Entry(
            *(where, value["start"], value["end"], value["label"], value["duration"]),
            recording=recording,
            file_start=value["file_start"],
            low=value["low_hz"],
            high=value["high_hz"],
            probability=value["probability"],
            facts={one: value[one] for one in FACTS if value[one]},
        )
    )


def _recording(cells: Mapping[str, str], path: str) -> str:
    """The path of the recording; Kaleidoscope has its folder in columns of its own."""
    folder = next((cells[one] for one in cells if one.lower() == "folder"), "")
    return f"{folder}/{path}" if folder and "/" not in path and "\\" not in path else path
