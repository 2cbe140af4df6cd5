"""Files whose names look as if they shared a speaker or a recording, where no groups are given."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from earmark.data.manifest import Manifest
from earmark.data.names.guesses import NO_NAMES, WORD, numbered_keyword, split_columns
from earmark.data.names.naming import Naming
from earmark.data.names.patterns import NamePattern
from earmark.data.names.schemes import SCHEMES
from earmark.data.recording import SPLIT_NAMES, Recording
from earmark.system.numbers import counted

_COVERED = 0.9
"""Fraction of the files that a pattern must fit."""
_FEWEST_NAMES = 3
"""Speakers, or recordings of each label, without which words in names mean nothing."""
_MOST_PARTS = 50
"""Mean number of files from one recording above which a stem is no recording."""
_BLOCK, _MOST_BLOCKS = 100, 50
"""Recordings whose names are looked at for patterns."""
_PART = re.compile(
    r".+?(?P<mark>[ _.-]*(?:take|part|pt|seg|segment|chunk|slice|excerpt)[ _.-]?)\d+", re.IGNORECASE
)
_STEM = re.compile(r"(?P<stem>.*[^\d _.(-])(?P<mark>[ _.-]?|[ _]\()\d+\)?")
_ID = re.compile(
    r"(?:.*[_ -])?(?P<word>id|speaker|spk|subject|session|patient|actor)[_-]\d+[_ -].*", re.I
)
_SEPARATORS = ("_", "-", " ")


@dataclass(frozen=True)
class GroupGuess:
    """A pattern that seems to give groups.

    Args:
        naming: The pattern, as ``group_from``.
        names: The files that share their group with others, in the order of the data.
        num_groups: Number of groups of several files.
        examples: Files of one of the groups.
        are_split: Whether the data have splits, several of which hold files of one group.
    """

    naming: Naming
    names: tuple[str, ...]
    num_groups: int
    examples: tuple[str, ...]
    are_split: bool

    def __str__(self) -> str:
        first = " and ".join(self.examples[:2])
        separated = "are" if self.are_split else "may be put"
        return (
            f"the names of {len(self.names)} files suggest "
            f"{counted(self.num_groups, 'group')} by speaker or recording, whose files "
            f"{separated} in several splits (such as {first}); group them with {self.naming}"
        )


def guess_groups(manifest: Manifest) -> GroupGuess | None:
    """The pattern that seems to give groups, if none are given.

    Names of well-known data sets are known. In others, files are of one group if their names
    differ in the number of a take or part alone, share a numbered speaker or session, share a word
    that occurs with several labels, or have one of many stems before a number.

    Args:
        manifest: The data. If they have splits, only groups in several splits count.

    Returns:
        The guess; None where groups are given, or names do not look like any.
    """
    recordings = manifest.recordings
    if any(one.has_group for one in recordings):
        return None
    for pattern in _candidates(_sample(recordings)):
        found = _guess(pattern, recordings)
        if found:
            return found
    return None


def _guess(pattern: str, recordings: Sequence[Recording]) -> GroupGuess | None:
    compiled = NamePattern(pattern)
    members = defaultdict(list)
    num_found = 0
    for one in recordings:
        if values := compiled.match(one.file_name):
            members["/".join(values.values())].append(one)
            num_found += 1
    shared = [found for found in members.values() if len(found) > 1]
    if num_found < _COVERED * len(recordings) or not shared or len(members) < 2:
        return None
    are_split = all(one.split for one in recordings)
    if are_split:
        shared = [found for found in shared if len({one.split for one in found}) > 1]
    if not shared:
        return None
    names = {one.name for found in shared for one in found}
    return GroupGuess(
        naming=Naming(group_from=pattern),
        names=tuple(one.name for one in recordings if one.name in names),
        num_groups=len(shared),
        examples=tuple(one.name for one in shared[0]),
        are_split=are_split,
    )


def _sample(recordings: Sequence[Recording]) -> list[Recording]:
    """At most `_MOST_BLOCKS` blocks of neighbours, spread over the data: parts are neighbours."""
    blocks = [recordings[start : start + _BLOCK] for start in range(0, len(recordings), _BLOCK)]
    return [one for block in blocks[:: -(-len(blocks) // _MOST_BLOCKS) or 1] for one in block]


def _candidates(recordings: Sequence[Recording]) -> Iterator[str]:
    """Patterns that names suggest, the most certain first."""
    stems = [PurePosixPath(one.file_name).stem for one in recordings]
    labels = [";".join(one.labels) for one in recordings]
    yield from (
        one.group_from for one in SCHEMES if one.group_from and one.fits(stems, fraction=_COVERED)
    )
    yield from _takes(stems)
    yield from _identified(stems)
    yield from _words_across_labels(stems, labels)
    yield from _numbered_stems(stems, labels)


def _takes(stems: Sequence[str]) -> Iterator[str]:
    """Names that end with the number of a take or part."""
    marks = {found["mark"] if (found := _PART.fullmatch(stem)) else "" for stem in stems}
    if len(marks) == 1 and "" not in marks:
        yield f"{{recording}}{marks.pop()}#"


def _identified(stems: Sequence[str]) -> Iterator[str]:
    """Names with a numbered speaker or session, as ``spk03_yes`` or ``normal_id_03_12``."""
    for separator in _SEPARATORS:
        columns = split_columns(stems, separator)
        for index, column in enumerate(columns):
            if keyword := numbered_keyword(column):
                yield _pattern_of(columns, separator, index, keyword)
    found = [_ID.fullmatch(stem) for stem in stems]
    words = {one["word"] for one in found if one}
    if None not in found and len(words) == 1:
        word = words.pop()
        before = "" if stems[0].startswith(word) else "*"
        for separator in _SEPARATORS:
            start = f"{before}{separator}" if before else ""
            yield f"{start}{word}{separator}{{{word.lower()}}}{separator}*"


def _words_across_labels(stems: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Names with one of several words that occurs with several labels, as ``jackson_7``."""
    for separator in (*_SEPARATORS, "."):
        columns = split_columns(stems, separator)
        for index, column in enumerate(columns):
            seen = defaultdict(set)
            for value, label in zip(column, labels, strict=True):
                seen[value].add(label)
            num_across = sum(len(found) > 1 for found in seen.values())
            if (
                _FEWEST_NAMES <= len(seen) <= len(stems) / 2
                and num_across > len(seen) / 2
                and all(map(_is_name, seen))
            ):
                yield _pattern_of(columns, separator, index, "speaker")


def _is_name(word: str) -> bool:
    lowered = word.lower()
    return bool(WORD.fullmatch(word)) and lowered not in NO_NAMES and lowered not in SPLIT_NAMES


def _numbered_stems(stems: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Names of many recordings for each label, each with the numbers of its parts."""
    found = [_STEM.fullmatch(stem) for stem in stems]
    marks = {one["mark"] for one in found if one}
    if None in found or len(marks) != 1:
        return
    of_label = defaultdict(set)
    for one, label in zip(found, labels, strict=True):
        if one and _is_name_of_recording(one["stem"]):
            of_label[label].add(one["stem"])
    num_stems = sum(map(len, of_label.values()))
    if (
        len(of_label) == len(set(labels))
        and min(map(len, of_label.values())) >= _FEWEST_NAMES
        and 2 <= len(stems) / num_stems <= _MOST_PARTS
    ):
        mark = marks.pop()
        yield f"{{recording}}{mark}#" + (")" if "(" in mark else "")


def _is_name_of_recording(stem: str) -> bool:
    word = re.sub(r"[\W\d_]+", "", stem).lower()
    return word not in NO_NAMES and word not in SPLIT_NAMES


def _pattern_of(columns: Sequence[Sequence[str]], separator: str, index: int, field: str) -> str:
    """The pattern in which one part is a field."""
    rest = ["*"] if index < len(columns) - 1 else []
    return separator.join([*["*"] * index, f"{{{field}}}", *rest])
