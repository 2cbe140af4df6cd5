"""Patterns of file names: which part of a name is the label, the group, the split or the fold."""

import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from earmark.errors import ConfigError

_TOKEN = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<wildcard>\*\*/?|\*|\?|#)|(?P<text>[^{}*?#]+|[{}])")
_WILDCARDS = {
    "**/": "(?:.*/)?",
    "**": ".*?",
    "*": "[^/]*?",
    "?": "[^/]",
    "#": "(?<![0-9])[0-9]+(?![0-9])",
}


@dataclass(frozen=True)
class NamePattern:
    r"""A pattern that file names are read with.

    ``{name}`` is a field, at least one character; ``*`` is any text; ``?`` is one character; ``#``
    is a whole number. None of them contains ``/``. ``**`` is any text with ``/``, and ``**/`` may
    also be nothing. All else stands for itself.

    A pattern with ``/`` is compared with the whole path, others with the file name alone. The
    extension may be left out. From left to right, each field and ``*`` takes as little as it can;
    a field does not contain the text next to it, unless the name cannot be read otherwise. So
    ``{label}_*`` is the part before the first ``_`` and ``*_{label}`` that after the last, while
    ``{label}_#`` also reads ``car_horn_2``.

    Args:
        text: The pattern.

    Raises:
        ConfigError: The pattern is wrong.

    Example:
        >>> NamePattern("{label}_{speaker}_*").match("digits/3_jackson_7.wav")
        {'label': '3', 'speaker': 'jackson'}
        >>> NamePattern("*-{label}").match("1-100032-A-0.wav")
        {'label': '0'}
        >>> NamePattern("{label} (#)").match("dog (12).wav")
        {'label': 'dog'}
    """

    text: str

    def __post_init__(self) -> None:
        self._check()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, from left to right."""
        return tuple(value for kind, value in self._tokens if kind == "field")

    @cached_property
    def _tokens(self) -> tuple[tuple[str, str], ...]:
        found = _TOKEN.finditer(unicodedata.normalize("NFC", self.text))
        return tuple((one.lastgroup or "", one[one.lastgroup or 0]) for one in found)

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        return tuple(self._compile(is_strict=is_strict) for is_strict in (True, False))

    def match(self, name: str) -> dict[str, str] | None:
        """Field to its text, without spaces around it; None if the name does not fit.

        Args:
            name: A path below the data folder, with ``/`` between its parts.
        """
        name = unicodedata.normalize("NFC", name)
        whole = name if "/" in self.text else name.rpartition("/")[2]
        stem, suffix = os.path.splitext(whole)  # noqa: PTH122 - a path object takes ten times as long
        for text in dict.fromkeys((stem, whole, stem + suffix.lower())):
            for expression in self._expressions:
                found = expression.fullmatch(text)
                # The extension is never part of a field.
                if not found or max(map(found.end, self.fields)) > len(stem):
                    continue
                values = {key: value.strip() for key, value in found.groupdict().items()}
                if all(values.values()):
                    return values
        return None

    def _compile(self, *, is_strict: bool) -> re.Pattern[str]:
        tokens = self._tokens
        parts = []
        for index, (kind, value) in enumerate(tokens):
            if kind == "text":
                parts.append(re.escape(value))
            elif kind == "wildcard":
                parts.append(_WILDCARDS[value])
            else:
                beside = (*tokens[max(index - 1, 0) : index], *tokens[index + 1 : index + 2])
                texts = {re.escape(text) for kind, text in beside if kind == "text"}
                excluded = f"(?!{'|'.join(sorted(texts))})" if texts and is_strict else ""
                parts.append(f"(?P<{value}>(?:{excluded}[^/])+?)")
        return re.compile("".join(parts), re.DOTALL)

    def _check(self) -> None:
        tokens, fields = self._tokens, self.fields
        wrong = next(
            (one for one in fields if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", one)), None
        )
        if not fields or ("text", "{") in tokens or ("text", "}") in tokens:
            raise self._error("it needs a field in braces, such as {label}")
        if wrong is not None:
            raise self._error(f"{{{wrong}}} is not a field; use letters, such as {{speaker}}")
        if len(set(fields)) < len(fields):
            raise self._error("a field occurs twice; give each another name, or write * for one")
        for (kind, one), (other_kind, other) in pairwise(tokens):
            if (
                "field" in (kind, other_kind)
                and _is_open(kind, one)
                and _is_open(other_kind, other)
            ):
                raise self._error(
                    "nothing separates a field from its neighbour; write text between"
                )

    def _error(self, why: str) -> ConfigError:
        return ConfigError(f"pattern {self.text!r}: {why}")


def _is_open(kind: str, value: str) -> bool:
    """Whether a part of a pattern has no fixed end."""
    return kind == "field" or value in ("*", "**")


def quote(text: str) -> str:
    r"""An argument as it is written in a shell, with double quotes, which every shell knows.

    Example:
        >>> print(quote("{label}.*"), quote("my sounds"), quote("run"))
        "{label}.*" "my sounds" run
    """
    if text and re.fullmatch(r"[\w./:=+@%,-]+", text):
        return text
    return '"' + re.sub(r'(["$`])', r"\\\1", text) + '"'
