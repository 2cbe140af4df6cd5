"""Praat TextGrids, in the long and the short text format and anything between the two.

Source:
    Praat manual, TextGrid file formats: Praat reads numbers and <flags> that stand alone and texts
    in double quotes, and passes over everything else; ``!`` starts a comment.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from earmark.errors import DataError
from earmark.labelling.imports.annotations import Entry, LabelFile
from earmark.system.numbers import parse_number

_TOKEN = re.compile(r'(?P<text>"(?:[^"]|"")*")|(?P<open>")|(?P<comment>!.*)|(?P<word>[^\s"!]+)')
_COMMA = re.compile(r"[-+]?\d+,\d+")
_CLASSES = ("IntervalTier", "TextTier")
_GAP_SECONDS = 1e-6


class _Token(NamedTuple):
    kind: str
    value: str
    line: int


class _Tokens:
    """The parts of a file that have a meaning, in order."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokenize(text))
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at == len(self._tokens)

    def take(self, kind: str, what: str) -> str:
        """The next token.

        Raises:
            DataError: It is of another kind, or there is none.
        """
        if self.is_done:
            raise DataError(f"the file ends before {what}; export it from Praat again")
        token = self._tokens[self._at]
        if token.kind != kind:
            hint = "; write a point" if _COMMA.fullmatch(token.value) else ""
            raise DataError(f"line {token.line}: {token.value!r} is not {what}{hint}")
        self._at += 1
        return token.value

    def seek_tier(self) -> bool:
        """Goes on to the next class of a tier, if there is one."""
        while not self.is_done:
            token = self._tokens[self._at]
            if token.kind == "text" and token.value in _CLASSES:
                return True
            self._at += 1
        return False

    def is_at_tier(self) -> bool:
        """Whether the next token is the class of a tier, or there is none."""
        return self.is_done or self._tokens[self._at].value in _CLASSES


def _tokenize(text: str) -> Iterator[_Token]:
    line, position = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", position, found.start())
        position = found.start()
        kind, value = found.lastgroup or "", found[0]
        if kind == "text":
            yield _Token(kind, value[1:-1].replace('""', '"'), line)
        elif kind == "open":
            yield _Token(kind, "a double quote that is never closed", line)
        elif kind == "word" and parse_number(value) is not None:
            yield _Token("number", value, line)
        elif kind == "word" and (re.fullmatch(r"<\w+>", value) or _COMMA.fullmatch(value)):
            yield _Token("flag", value, line)


def read_textgrid(text: str, found: LabelFile) -> None:
    """Reads the interval and point tiers; intervals without text are no annotations.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    tokens = _Tokens(text)
    try:
        kinds = tokens.take("text", "a file type"), tokens.take("text", "a class of objects")
        if kinds != ("ooTextFile", "TextGrid"):
            raise DataError("not a TextGrid; in Praat, choose Save as text file")
        start, end = (tokens.take("number", f"the {what} of the grid") for what in ("start", "end"))
        if tokens.take("flag", "<exists>") != "<exists>":
            return
        count = int(float(tokens.take("number", "the number of tiers")))
    except DataError as error:
        found.fail("header", str(error))
        return
    if parse_number(start) != 0:
        found.fail(
            "header", f"times start at {start} s; in Praat, choose Modify > Shift times to 0"
        )
    found.duration = parse_number(end)
    for _ in range(count):
        if not tokens.seek_tier():
            found.fail("header", f"{count} tiers are declared, but {len(found.tiers)} are there")
            return
        _read_tier(tokens, found)


def _read_tier(tokens: _Tokens, found: LabelFile) -> None:
    is_interval = tokens.take("text", "a class") == _CLASSES[0]
    name = f"number {len(found.tiers) + 1}"
    held = LabelFile(found.options)
    try:
        name = tokens.take("text", "the name of a tier")
        found.tiers.append(name)
        for what in ("start", "end"):
            tokens.take("number", f"the {what} of the tier")
        count = int(float(tokens.take("number", "the number of entries")))
        read = _read_intervals if is_interval else _read_points
        read(tokens, name, count, held)
        if not tokens.is_at_tier():
            raise DataError(f"more than the {count} entries that it declares")
    except DataError as error:
        held.fail(f"tier {name}", f"{error}; correct it, or choose other tiers with --tier")
    if found.options.wants(name):
        found.annotations += held.annotations
        found.problems += held.problems


def _read_intervals(tokens: _Tokens, tier: str, count: int, found: LabelFile) -> None:
    last = 0.0
    for number in range(1, count + 1):
        where = f"tier {tier}, interval {number}"
        start = tokens.take("number", f"the start of interval {number}")
        end = tokens.take("number", f"the end of interval {number}")
        label = tokens.take("text", f"the text of interval {number}")
        if float(start) < last - _GAP_SECONDS:
            found.fail(where, f"start {start} s is before {last:g} s, where the one before it ends")
        last = float(end)
        if label.strip():
            found.add(Entry(where, start, end, label))


def _read_points(tokens: _Tokens, tier: str, count: int, found: LabelFile) -> None:
    for number in range(1, count + 1):
        instant = tokens.take("number", f"the time of point {number}")
        label = tokens.take("text", f"the text of point {number}")
        entry = Entry(f"tier {tier}, point {number}", instant, instant, label)
        found.add(entry, allows_instants=True)
