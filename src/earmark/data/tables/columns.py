"""The columns of a manifest: ours, those that are nearly ours, and others, which are kept."""

import difflib
import functools
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from earmark.audio.reading import has_sound_name
from earmark.data.recording import SPLIT_NAMES
from earmark.errors import DataError

COLUMNS = ("path", "label", "split", "fold", "group", "start", "end")
STORED_COLUMNS = ("path", "name", "label", "split", "fold", "group", "start", "end", "key")
"""Columns of the ``recordings.csv`` in folders that earmark fills."""
LOW_HZ, HIGH_HZ = "low_hz", "high_hz"
"""Columns with the frequency limits of an annotation, which `earmark import` writes."""
_REQUIRED = ("path", "label")
_DELIMITERS = (";", "\t", "|")
_SPLIT_VALUES = {*SPLIT_NAMES, "eval", "evaluation", "held_out", "holdout", "development"}
_MEANINGS = {
    "path": "file files filename filepath fname wav mp3 flac audio sound recording slice url uri "
    "audiofile audiopath soundfile wavfile",
    "label": "class classes classname classid category categories target targets species tag tags "
    "genre genres genus annotation annotations emotion word keyword command y labelname labelid",
    "split": "subset subsets subsetname partition partitions set setname sets usage phase "
    "splitname istrain istest isval train test validation val traintest trainvaltest",
    "fold": "kfold cv foldid foldname foldno foldnumber foldindex",
    "start": "starts begin begins beginning onset onsets from t0 tmin mint tstart xmin offset",
    "end": "ends ending stop stops to until till t1 tmax maxt tend tstop xmax offset finish",
    "duration": "durations dur length len delta numframes nframes numsamples nsamples",
}
_MEANING = {
    word: tuple(ours for ours, words in _MEANINGS.items() if word in words.split())
    for words in _MEANINGS.values()
    for word in words.split()
}
"""Words for our columns in other programs and data sets; ``offset`` is both a start and an end."""
_MEANING |= {ours: (ours,) for ours in _MEANINGS}
_KINDS = {
    "filler": "time times t at in of the s sec secs second seconds ms msec millisecond "
    "milliseconds sample samples frame frames hms segment seg event call clip excerpt region "
    "selection audio sound primary data dataset cv",
    "not seconds": "ms msec millisecond milliseconds sample samples frame frames hms",
    "group": "speaker speakers singer singers artist subject subjects patient person session site "
    "station client individual animal bird performer player participant user",
}
_KIND = {kind: frozenset(words.split()) for kind, words in _KINDS.items()}
"""Words that add nothing, units other than seconds, and what recordings of a group share."""
_TIMES = "|".join(
    word for word, ours in _MEANING.items() if {"start", "end", "duration"} & set(ours)
)
_BESIDE_TIMES = "times?|secs?|seconds?|ms|msecs?|milliseconds?|samples?|frames?|seg|segment|event"
_GLUED = re.compile(f"({_BESIDE_TIMES})({_TIMES})|({_TIMES})({_BESIDE_TIMES})")
"""Words for times that nothing separates from what is around them, such as ``starttime``."""

Table = Sequence[Mapping[str, str]]


@functools.lru_cache(maxsize=1024)
def own_name(column: str) -> str:
    """The name of a column: ours in lower case, others as they are."""
    lowered = column.strip().lower()
    return lowered if lowered in COLUMNS else column.strip()


def check_columns(
    path: Path, columns: Sequence[str], rows: Table, named: Collection[str] = ()
) -> None:
    """Checks that the columns that are needed are there, and that none is nearly ours.

    A column that is nearly ours would be ignored without a word.

    Args:
        path: The manifest.
        columns: Their names in the file.
        rows: The cells by `own_name`; a column may be recognized by them.
        named: Columns that the names of the files give.

    Raises:
        DataError: A column is missing, there twice, or nearly ours.
    """
    known = Counter(map(own_name, columns))
    twice = [name for name in COLUMNS if known[name] > 1]
    if twice:
        raise DataError(f"{path}: two columns have the name {twice[0]}; keep one")
    absent = [name for name in COLUMNS if not known[name] and name not in named]
    others = [one for one in columns if one.strip() and own_name(one) not in COLUMNS]
    more = [one for one in others if re.fullmatch(r"labels?[ _.-]?\d+", one.strip().lower())]
    if more and "label" not in absent:
        raise DataError(
            f"{path}: the column {more[0]!r} would be ignored; write all labels of a recording in "
            "the cell of label, separated by ';'"
        )
    near = {one: meant for one in others if (meant := _meant(one, columns, rows, absent))}
    if columns and set(absent) & set(_REQUIRED):
        raise _missing(path, columns, near, [name for name in _REQUIRED if name in absent])
    if near:
        raise _unknown(path, near)


def other_columns(columns: Sequence[str]) -> list[str]:
    """A note on the columns that are not ours, if there are any.

    Args:
        columns: Their names in the file.
    """
    known = set(map(own_name, columns))
    others = [
        one.strip()
        for one in columns
        if one.strip() and own_name(one) not in COLUMNS and one.strip() not in (LOW_HZ, HIGH_HZ)
    ]
    if not others or tuple(columns) == STORED_COLUMNS:
        return []
    listed = ", ".join(others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
    note = f"columns not used, except for slices in reports: {listed}"
    grouping = [one for one in others if _KIND["group"] & set(_words(one))]
    if grouping and "group" not in known:
        note += (
            f"; rename {grouping[0]} to group if recordings of one {grouping[0]} belong in the "
            "same split"
        )
    return [note]


def _missing(
    path: Path,
    columns: Sequence[str],
    near: Mapping[str, tuple[str, ...]],
    missing: Sequence[str],
) -> DataError:
    listed = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
    wrong = [one for one in _DELIMITERS if one in listed]
    meant = {name: next((one for one in near if name in near[one]), "") for name in missing}
    renames = " and ".join(f"{column} to {name}" for name, column in meant.items() if column)
    advice = f"rename {renames}" if renames else "rename the columns"
    if wrong:
        advice = f"write commas between cells, not {wrong[0]!r}"
    return DataError(
        f"{path}: no column {' or '.join(missing)}; the columns are {listed}, and "
        f"{' and '.join(_REQUIRED)} are needed; {advice}"
    )


def _unknown(path: Path, near: Mapping[str, tuple[str, ...]]) -> DataError:
    """The error for columns that are nearly ours, all of them at once."""
    special = next((advice for one in near if (advice := _special(one, near[one]))), None)
    if special:
        return DataError(f"{path}: {special}")
    listed = ", ".join(f"{one!r} (did you mean {_named(one, near[one])}?)" for one in near)
    return DataError(
        f"{path}: unknown column{'s' if len(near) > 1 else ''} {listed}; rename what is meant, and "
        "remove or rename other columns with such names"
    )


def _special(column: str, meant: Sequence[str]) -> str | None:
    """What to do about a column that cannot simply be renamed."""
    if "duration" in meant:
        return (
            f"the column {column!r} would be ignored, as a recording lasts from start to end; give "
            f"a column end = start + {column}, in seconds"
        )
    if "split" in meant and "split" not in _by_name(column):
        return (
            f"the column {column!r} holds names of splits and would be ignored; rename it to "
            "split, or remove it"
        )
    return None


def _named(column: str, meant: Sequence[str]) -> str:
    """Our names for a column, with the unit that it lacks."""
    seconds = ", in seconds" if {"start", "end"} & set(meant) and _not_in_seconds(column) else ""
    return f"{' or '.join(meant)}{seconds}"


def _meant(
    column: str, columns: Sequence[str], rows: Table, absent: Collection[str]
) -> tuple[str, ...]:
    """Which of our absent columns a column probably is; ``duration`` where there is no end."""
    known = {one for name in columns for one in _by_name(name)}
    meant = _by_name(column)
    if "start" in meant and "end" in meant and "start" in absent:
        # An offset is a start beside a duration, and an end beside an onset.
        others = {one for name in columns if name != column for one in _by_name(name)}
        meant = ("end",) if "start" in others else ("start",) if "duration" in others else meant
    if "duration" in meant:
        return ("duration",) if "end" in absent and "start" in known and "end" not in known else ()
    found = tuple(one for one in meant if one in absent)
    return found or _by_cells(column, rows, absent)


def _by_name(column: str) -> tuple[str, ...]:
    words = _words(column)
    telling = [one for one in words if one not in _KIND["filler"]] or words
    for text in ("".join(words), "".join(telling)):
        if text in _MEANING:
            return _MEANING[text]
    if len(telling) > 1:
        return ()
    close = difflib.get_close_matches("".join(telling), COLUMNS, n=1, cutoff=0.85)
    swapped = [one for one in COLUMNS if telling and sorted(one) == sorted(telling[0])]
    return tuple(close or swapped[:1])


def _by_cells(column: str, rows: Table, absent: Collection[str]) -> tuple[str, ...]:
    """Which absent column has such cells: several names of splits, or names of sound files."""
    name = own_name(column)
    if "split" in absent:
        splits = _distinct(rows, name, lambda cell: cell.lower() in _SPLIT_VALUES)
        if len(splits) > 1:
            return ("split",)
    if "path" in absent and _distinct(rows, name, lambda cell: has_sound_name(Path(cell))):
        return ("path",)
    return ()


def _distinct(rows: Table, name: str, fits: Callable[[str], bool]) -> set[str]:
    """The cells of a column that are not empty, if all of them fit; else nothing."""
    found = set()
    for cell in filter(None, (row.get(name) for row in rows)):
        if not fits(cell):
            return set()
        found.add(cell)
    return found


def _words(column: str) -> list[str]:
    """The words of a name in small letters, also of one in camel case."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    words = re.findall(r"[a-z0-9]+", spaced.lower())
    return [part for word in words for part in _separated(word)]


def _separated(word: str) -> list[str]:
    """The parts of a word such as ``startsec``; other words as they are."""
    glued = _GLUED.fullmatch(word)
    if glued is None or word in _MEANING:
        return [word]
    return [part for part in glued.groups() if part]


def _not_in_seconds(column: str) -> bool:
    return not _KIND["not seconds"].isdisjoint(_words(column))
