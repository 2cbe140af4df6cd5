"""Names of labels, groups and folds: one spelling each, and names that may be meant as one."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from earmark.errors import DataError
from earmark.system.numbers import parse_number

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's default-ignorable characters, such as the zero-width space and the soft hyphen."""
_SHAPING = "\u180b-\u180d\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
"""Those that change how a character beyond ASCII looks: joiners, variants, parts of emoji."""
_MARKS = re.compile(
    f"(?<=[^\x00-\x7f])[{_SHAPING}]+(?!\\s|$)|(?<=[^\x00-\x7f])[\ufe00-\ufe0f\U000e007f]"
    f"|(?P<removed>[{_INVISIBLE}])"
)
_BLANK = "\u2800"
"""The Braille pattern without dots: a space to the eye, though not to Unicode."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_LETTERS = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοαν",
    "ABESIJKMHOPCTYXaesijopcyxdhABEZHIKMNOPTYXoav",
)
"""Cyrillic and Greek letters that look like Latin ones."""
_QUOTES = "'\"`\u2018\u2019\u201c\u201d\u00ab\u00bb "
"""Quotes that a program left around a name."""
_DOT_ABOVE = "\u0307"
"""What the small letter of the Turkish dotted capital I has besides an i."""
_SEPARATORS = re.compile(r"(?<=[^\W_])(?:(?<!\d)[\s_-]+|[\s_-]+(?!\d))(?=[^\W_])")


def normalize(text: str) -> str:
    r"""The one spelling of a label, group or fold.

    It is in Unicode's normal form C, without invisible characters and without spaces around it; any
    white space inside is one space. Letter case is kept.

    Example:
        >>> normalize(" dog\u200b  bark\xa0")
        'dog bark'
    """
    if text.isascii():
        return " ".join(text.split())
    visible = _MARKS.sub(lambda found: "" if found["removed"] else found[0], text)
    spaced = " ".join(visible.replace(_BLANK, " ").split())
    return unicodedata.normalize("NFC", spaced)


class Spellings:
    r"""Reads names, and remembers which of them had several spellings.

    Example:
        >>> spellings = Spellings()
        >>> [spellings.read(one, "label", "a.csv") for one in ("dog", "dog\u200b", "cat")]
        ['dog', 'dog', 'cat']
        >>> list(spellings.notes())
        ["the label 'dog' has 2 spellings, read as one: 'dog', 'dog\\u200b'"]
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._names: dict[str, str] = {}

    def read(self, text: str, column: str, where: str) -> str:
        """The one spelling of a name.

        Args:
            text: The name as it was written.
            column: Whether it is a label, a group or a fold.
            where: Where it was found, for the error.

        Raises:
            DataError: It holds a control character.
        """
        name = normalize(text)
        if _CONTROL.search(name):
            raise DataError(f"{where}: {column} {name!a} holds a control character; remove it")
        # Of a million equal names one is kept.
        name = self._names.setdefault(name, name)
        if name:
            self._seen[column, name].add(text)
        return name

    def read_labels(self, cell: str, where: str) -> set[str]:
        """The labels of a cell, which semicolons separate.

        Args:
            cell: What was written.
            where: Where it was found, for the error.

        Raises:
            DataError: One holds a control character.
        """
        # The Greek question mark is a semicolon in every normal form.
        parts = re.split("[;\u037e]", cell)
        return {self.read(part.strip(), "label", where) for part in parts} - {""}

    def notes(self) -> Iterator[str]:
        """A note for each name that had several spellings."""
        for (column, name), texts in sorted(self._seen.items()):
            if len(texts) > 1:
                listed = ", ".join(map(ascii, sorted(texts)))
                yield f"the {column} {name!r} has {len(texts)} spellings, read as one: {listed}"


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Different names that are probably meant as one, in sorted groups.

    They are equal but for letter case, accents' and letters' Unicode variants (such as full width),
    letters of other scripts that look the same, quotes around them, separators, and the way a
    number is written.

    Example:
        >>> similar_names(["Dog", "dog", "cat", "01", "1", "dog_bark", "dog bark"])
        [('01', '1'), ('Dog', 'dog'), ('dog bark', 'dog_bark')]
    """
    alike = defaultdict(set)
    for name in names:
        alike[_key(name)].add(name)
    return sorted(tuple(sorted(group)) for group in alike.values() if len(group) > 1)


def _key(name: str) -> str:
    """The same for all names that look or sound alike."""
    plain = unicodedata.normalize("NFKC", re.sub(f"[{_INVISIBLE}]", "", name))
    plain = plain.strip(_QUOTES) or plain
    number = parse_number(plain)
    if number is not None:
        return f"{number:.17g}"
    folded = plain.translate(_LETTERS).casefold().replace(f"i{_DOT_ABOVE}", "i")
    return _SEPARATORS.sub("", folded)
