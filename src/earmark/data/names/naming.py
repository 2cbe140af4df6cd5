"""Labels, groups, splits and folds read from the names of files."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from earmark.data.names.patterns import NamePattern, quote
from earmark.data.recording import SPLIT_NAMES, Recording
from earmark.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

LABEL, SPLIT, FOLD, GROUP = "label", "split", "fold", "group"
_RESERVED = (LABEL, SPLIT, FOLD)
_NUM_NAMED = 3
"""Files and labels that a message names."""


@dataclass(frozen=True)
class Naming:
    """How labels and groups are read from the names of files.

    In ``label_from``, ``{label}`` is the label, where ``;`` separates several, and ``{split}`` and
    ``{fold}`` are what they say. In both patterns, all other fields together are the group.

    Args:
        label_from: The pattern with the label; None if folders or a table give it.
        group_from: The pattern with the group; None if ``label_from``, folders or a table give it.

    Raises:
        ConfigError: A pattern is wrong, or they do not go together.

    Example:
        >>> Naming("{label}_{speaker}_*").read("3_jackson_7.wav")
        {'label': '3', 'group': 'jackson'}
        >>> print(Naming(group_from="{speaker}_nohash_*"))
        --group-from "{speaker}_nohash_*"
    """

    label_from: str | None = None
    group_from: str | None = None

    def __post_init__(self) -> None:
        labels, groups = self._patterns
        if labels and LABEL not in labels.fields:
            raise ConfigError(f"--label-from {quote(labels.text)}: there is no {{label}} in it")
        reserved = sorted(set(groups.fields) & set(_RESERVED)) if groups else []
        if groups and reserved:
            raise ConfigError(
                f"--group-from {quote(groups.text)}: {{{reserved[0]}}} belongs in --label-from; "
                "write * here"
            )
        if groups and labels and _group_fields(labels):
            raise ConfigError(
                f"--label-from {quote(labels.text)}: {{{_group_fields(labels)[0]}}} would be the "
                "group, which --group-from gives; write * here"
            )

    def __bool__(self) -> bool:
        return self.label_from is not None or self.group_from is not None

    def __str__(self) -> str:
        """The options, as they are written on a command line."""
        named = {"--label-from": self.label_from, "--group-from": self.group_from}
        return " ".join(f"{option} {quote(text)}" for option, text in named.items() if text)

    @cached_property
    def _patterns(self) -> tuple[NamePattern | None, NamePattern | None]:
        labels, groups = (
            None if text is None else NamePattern(text)
            for text in (self.label_from, self.group_from)
        )
        return labels, groups

    @property
    def columns(self) -> tuple[str, ...]:
        """What the names give, in the order of a manifest's columns."""
        labels, groups = self._patterns
        found = [one for one in _RESERVED if labels and one in labels.fields]
        return (*found, *(["group"] if groups or (labels and _group_fields(labels)) else []))

    def read(self, name: str) -> dict[str, str]:
        """What a name gives, by column; a column is missing where its pattern does not fit.

        Args:
            name: A path below the data folder, with ``/`` between its parts.
        """
        labels, groups = self._patterns
        found = {}
        if labels and (values := labels.match(name)):
            found = {one: values[one] for one in _RESERVED if one in values}
            if fields := _group_fields(labels):
                found["group"] = "/".join(values[one] for one in fields)
        if groups and (values := groups.match(name)):
            found["group"] = "/".join(values.values())
        return found


def _group_fields(pattern: NamePattern) -> list[str]:
    return [one for one in pattern.fields if one not in _RESERVED]


NO_NAMING = Naming()


def read_names(source: Path, names: Sequence[str], naming: Naming) -> list[dict[str, str]]:
    """What the names of files give, by column of a manifest.

    A file that ``group_from`` does not fit is left without a group, with a warning.

    Args:
        source: The data set, named in errors.
        names: Paths below the data folder.
        naming: The patterns.

    Raises:
        DataError: ``label_from`` does not fit a name, ``group_from`` fits none, or a split is not
            one.
    """
    found = [naming.read(name) for name in names]
    for column, option in ((LABEL, naming.label_from), (GROUP, naming.group_from)):
        missing = [name for name, cells in zip(names, found, strict=True) if column not in cells]
        if option is None or not missing:
            continue
        listed = ", ".join(missing[:_NUM_NAMED]) + (", ..." if len(missing) > _NUM_NAMED else "")
        message = (
            f"{source}: {len(missing)} of {len(names)} files do not fit --{column}-from "
            f"{quote(option)} ({listed})"
        )
        if column == LABEL or len(missing) == len(names):
            raise DataError(
                f"{message}; change the pattern, or move those files out of the folder"
                if column == LABEL
                else f"{message}; change the pattern"
            )
        logger.warning(f"{message}; each of them is a group of its own")
    for name, cells in zip(names, found, strict=True):
        if cells.get(SPLIT, "train").lower() not in SPLIT_NAMES:
            raise DataError(
                f"{source}: {name}: split {cells[SPLIT]!r} is not training, validation or testing"
            )
    return found


def describe_naming(naming: Naming, recordings: Sequence[Recording]) -> list[str]:
    """What the patterns give, in at most five lines: totals, and files spread over the data.

    Args:
        naming: The patterns.
        recordings: What was read with them.

    Example:
        >>> one = Recording(Path("3_anna_1.wav"), "3_anna_1.wav", ("3",), group="anna")
        >>> for line in describe_naming(Naming("{label}_{speaker}_*"), [one]):
        ...     print(line)
        --label-from "{label}_{speaker}_*": 1 label (3), 1 group (anna)
          3_anna_1.wav: label 3, group anna
    """
    if not recordings:
        return []
    labels = Counter(label for one in recordings for label in one.labels)
    totals = [_count("label", labels)]
    if GROUP in naming.columns:
        totals.append(_count("group", Counter(one.group for one in recordings)))
    last = len(recordings) - 1
    examples = sorted({round(last * step / (_NUM_NAMED - 1)) for step in range(_NUM_NAMED)})
    return [
        f"{naming}: {', '.join(totals)}",
        *(f"  {_describe(recordings[index], naming)}" for index in examples),
    ]


def _count(noun: str, found: Counter[str]) -> str:
    names = sorted(found)
    listed = ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'} ({listed})"


def _describe(one: Recording, naming: Naming) -> str:
    facts = {
        LABEL: ";".join(one.labels) or "none",
        SPLIT: one.split if SPLIT in naming.columns else None,
        FOLD: one.fold if FOLD in naming.columns else None,
        GROUP: one.group if GROUP in naming.columns else None,
    }
    return f"{one.name}: " + ", ".join(f"{key} {value}" for key, value in facts.items() if value)
