"""Which pattern file names seem to follow: proposals for people, never used without being asked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from earmark.audio.reading import is_audio
from earmark.data.folders import walk
from earmark.data.names.naming import Naming
from earmark.data.names.patterns import NamePattern
from earmark.data.names.schemes import SCHEMES
from earmark.data.recording import SPLIT_NAMES

MAX_NAMES = 2000
"""Names that are looked at, spread over the data."""
NAMING_HELP = (
    "move them to DATA/LABEL/*.wav, or give a pattern of the file names: "
    '--label-from "{label}_*" reads the label dog from dog_1.wav'
)
"""What to do where no pattern is plausible."""
_FEWEST_NAMES = 4
_SEPARATORS = (" - ", "_", "-", ".", " ")
WORD = re.compile(r"[^\W\d_][^\d]*[^\W\d_]")
"""Two letters or more and no digit."""
NO_NAMES = {
    *("audio", "chunk", "clip", "excerpt", "file", "part", "rec", "record", "recording", "sample"),
    *("seg", "segment", "slice", "sound", "take", "track", "untitled", "voice", "wav"),
}
"""Words in file names that say nothing of what is in the file."""
_COUNTED = tuple(
    pattern.replace("S", separator)
    for separator in _SEPARATORS
    for pattern in ("{label}S#", "{label}S#S*", "#S{label}")
)
_NUMBERED = ("{label} (#)", *_COUNTED, "{label}#")


@dataclass(frozen=True)
class NamingGuess:
    """Patterns that fit file names, and what they give.

    Args:
        naming: The patterns.
        labels: The labels.
        groups: The groups; none if the patterns give none.
    """

    naming: Naming
    labels: tuple[str, ...]
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = _count("label", self.labels)
        if self.groups:
            counts += f"; {_count('group', self.groups)}"
        return f"{self.naming} fits the file names ({counts})"


def guess_naming(names: Iterable[str]) -> NamingGuess | None:
    """The pattern that gives file names a label, if they seem to have one.

    Names of well-known data sets are known; in others, the label is a word that some files share
    and others do not.

    Args:
        names: Paths of sound files.

    Returns:
        The guess; None where no part of the names is plausible.

    Example:
        >>> print(guess_naming(["dog_1.wav", "dog_2.wav", "cat_1.wav", "cat_2.wav"]))
        --label-from "{label}_*" fits the file names (2 labels: cat, dog)
        >>> guess_naming(["clip1.wav", "clip2.wav", "clip3.wav", "clip4.wav"])
    """
    names = spread([PurePosixPath(name).name for name in names])
    if len(names) < _FEWEST_NAMES:
        return None
    stems = [PurePosixPath(name).stem for name in names]
    known = next((one for one in SCHEMES if one.fits(stems)), None)
    patterns = (known.label_from,) if known else _candidates(names)
    for pattern in patterns:
        found = _try(pattern, names, is_known=known is not None) if pattern else None
        if found:
            return found
    return None


def sound_names(folder: Path) -> list[str]:
    """Names of the visible sound files below a folder, in the order of their paths."""
    return [path.name for path in walk(folder) if is_audio(path)]


def spread(names: Sequence[str]) -> list[str]:
    """At most `MAX_NAMES` names, spread over all of them."""
    return list(names[:: -(-len(names) // MAX_NAMES) or 1])


def _candidates(names: Sequence[str]) -> Iterator[str]:
    """Patterns in the order in which they are tried."""
    for pattern in _NUMBERED:
        labels = _labels(pattern, names)
        if labels and not _is_crossed(set(labels)):
            simple = re.sub(r"(?<=[_.-])#([_.-]\*)?$", "*", pattern)
            yield simple if _labels(simple, names) == labels else pattern
    for separator in _SEPARATORS:
        columns = split_columns(names, separator)
        for index, column in enumerate(columns):
            if not all(value.lower() in SPLIT_NAMES for value in column):
                yield _pattern_of(columns, separator, index)
        if not columns:
            yield f"{{label}}{separator}*"
            yield f"*{separator}{{label}}"
    yield from ("{label}#*", "#{label}")


def _labels(pattern: str, names: Sequence[str]) -> list[str] | None:
    """The label of each name; None if a name does not fit."""
    compiled = NamePattern(pattern)
    found = [compiled.match(name) for name in names]
    return None if None in found else [one["label"] for one in found if one]


def _is_crossed(labels: set[str]) -> bool:
    """Whether labels of several parts combine the values of the parts, as words and speakers do."""
    columns = next(filter(None, (split_columns(list(labels), one) for one in _SEPARATORS)), [])
    return len(columns) > 1 and len(labels) > max(len(set(column)) for column in columns)


def split_columns(names: Sequence[str], separator: str) -> list[list[str]]:
    """The parts of names between separators, by position; none if their number differs, or is one.

    Args:
        names: Of files, or texts without an extension.
        separator: What is between the parts.
    """
    rows = [re.sub(r"\.\w{2,4}$", "", name).split(separator) for name in names]
    lengths = set(map(len, rows))
    if len(lengths) != 1 or lengths == {1} or not all(all(row) for row in rows):
        return []
    return [list(column) for column in zip(*rows, strict=True)]


def _pattern_of(columns: Sequence[Sequence[str]], separator: str, index: int) -> str:
    """The pattern in which one part is the label; splits and numbered speakers are fields too."""
    parts = []
    last = index
    for place, column in enumerate(columns):
        values = {value.lower() for value in column}
        keyword = numbered_keyword(column)
        if place == index:
            parts.append("{label}")
        elif values <= set(SPLIT_NAMES) and len(values) > 1:
            parts.append("{split}")
            last = max(last, place)
        elif keyword and f"{{{keyword}}}" not in parts:
            parts.append(f"{{{keyword}}}")
            last = max(last, place)
        else:
            parts.append("*")
    rest = ["*"] if last < len(columns) - 1 else []
    return separator.join([*parts[: last + 1], *rest])


KEYWORDS = (
    *("actor", "id", "participant", "patient", "person", "player", "session", "singer", "speaker"),
    *("spk", "spkr", "subj", "subject", "user"),
)
"""Words before the number of what recordings have in common."""


def numbered_keyword(column: Sequence[str]) -> str | None:
    """The keyword of a part such as ``speaker03`` that several values and several files share.

    Args:
        column: The part of each file's name.
    """
    found = {re.sub(r"[-_]?\d+$", "", value).lower() for value in column}
    keyword = found.pop() if len(found) == 1 else ""
    is_shared = 2 <= len(set(column)) <= len(column) / 2
    return keyword if keyword in KEYWORDS and is_shared else None


def _try(pattern: str, names: Sequence[str], *, is_known: bool) -> NamingGuess | None:
    """The guess that a pattern is, if it fits all names and its labels are plausible."""
    naming = Naming(pattern)
    cells = [naming.read(name) for name in names]
    if not all(cells):
        return None
    counts = Counter(one["label"] for one in cells)
    if not _are_plausible(counts, is_known=is_known):
        return None
    groups = sorted({one["group"] for one in cells if "group" in one})
    return NamingGuess(naming, tuple(sorted(counts)), tuple(groups))


def _are_plausible(counts: Mapping[str, int], *, is_known: bool) -> bool:
    num_single = sum(count == 1 for count in counts.values())
    num_words = sum(bool(WORD.fullmatch(one)) and one.lower() not in NO_NAMES for one in counts)
    return (
        2 <= len(counts) <= sum(counts.values()) / 2
        and num_single <= 0.1 * len(counts)
        and (is_known or num_words >= 0.9 * len(counts))
    )


def _count(noun: str, names: Sequence[str]) -> str:
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}: {listed}"
