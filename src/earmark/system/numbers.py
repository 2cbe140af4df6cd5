"""Numbers that people write and read."""

import math
import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_number(text: str) -> float | None:
    """Parses a decimal number, strictly: `float` also takes ``1_0``, ``nan`` and ``infinity``.

    Args:
        text: ASCII digits with an optional sign, point and exponent; spaces around them are
            ignored.

    Returns:
        The number, or None if the text is not one, or one too large for a float.

    Example:
        >>> parse_number(" 2.5e1 "), parse_number("1_0"), parse_number("nan")
        (25.0, None, None)
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        return None
    number = float(stripped)
    return number if math.isfinite(number) else None


def counted(number: int, noun: str) -> str:
    """A number of things, in words.

    Args:
        number: How many.
        noun: What one of them is called; an "s" makes the plural.

    Example:
        >>> counted(1, "file"), counted(0, "error"), counted(12_000, "clip")
        ('1 file', '0 errors', '12,000 clips')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
