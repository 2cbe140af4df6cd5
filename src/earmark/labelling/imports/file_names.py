"""Labels, groups and other facts read from the names of sound files by a pattern."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.data.folders import read_folder, walk
from earmark.data.names.patterns import NamePattern
from earmark.data.names.spelling import Spellings
from earmark.data.recording import SPLIT_NAMES, Recording
from earmark.data.tables.columns import COLUMNS
from earmark.errors import ConfigError, DataError, FailedFile

_FIELDS = ("label", "group", "split", "fold")
_NUM_SHOWN = 3


def read_file_names(
    sources: Sequence[Path], pattern: NamePattern
) -> tuple[list[Recording], list[FailedFile]]:
    """The sound files of folders, with what their names say.

    ``{label}``, ``{group}``, ``{split}`` and ``{fold}`` are what they say; other fields are columns
    of their own. Without ``{label}`` the folder gives it.

    Args:
        sources: Folders, or sound files.
        pattern: Of the names.

    Returns:
        The recordings, and the files that do not fit.

    Raises:
        ConfigError: A field has the name of another column, or a file is given without ``{label}``.
        DataError: A folder cannot be read.
    """
    reserved = sorted(set(pattern.fields) & set(COLUMNS) - set(_FIELDS))
    if reserved:
        raise ConfigError(
            f"pattern {pattern.text!r}: {{{reserved[0]}}} is a column of its own; choose another "
            "name"
        )
    recordings: list[Recording] = []
    failed: list[FailedFile] = []
    spellings = Spellings()
    for one in _sounds(sources, pattern):
        found = pattern.match(one.name)
        try:
            if found is None:
                raise DataError(
                    f"the name does not fit --pattern {pattern.text!r}; rename the file"
                )
            recordings.append(_with_names(one, found, spellings))
        except DataError as error:
            failed.append(FailedFile(one.path, f"{one.path}: {error}"))
    return recordings, failed


def _sounds(sources: Sequence[Path], pattern: NamePattern) -> Iterator[Recording]:
    """The sound files; if the pattern has no label, with the label of their folder."""
    for source in sources:
        if not source.exists():
            raise DataError(f"{source}: no such file or folder")
        if "label" not in pattern.fields:
            if not source.is_dir():
                raise ConfigError(
                    f"{source}: no folder gives its label; add {{label}} to --pattern, or give the "
                    "folder"
                )
            yield from read_folder(source)[0]
            continue
        is_folder = source.is_dir()
        for path in walk(source) if is_folder else [source]:
            if is_audio(path):
                name = path.relative_to(source).as_posix() if is_folder else path.name
                yield Recording(path, name, (), name)


def _with_names(one: Recording, found: Mapping[str, str], spellings: Spellings) -> Recording:
    """A recording with what its name says."""
    where = str(one.path)
    values = {key: spellings.read(found.get(key, ""), key, where) for key in _FIELDS[1:]}
    labels = spellings.read_labels(found.get("label", ""), where) or set(one.labels)
    if not labels:
        raise DataError("the name gives no label; rename the file")
    split = values["split"].lower()
    if split and split not in SPLIT_NAMES:
        raise DataError(f"split {split!r} is not training, validation or testing; rename the file")
    return replace(
        one,
        labels=tuple(sorted(labels)),
        group=values["group"] or one.group,
        split=SPLIT_NAMES.get(split, one.split),
        fold=values["fold"] or one.fold,
        extra={key: value for key, value in found.items() if key not in _FIELDS},
    )


def describe_file_names(recordings: Sequence[Recording]) -> list[str]:
    """What the pattern gives for a few files, spread over all, a line each.

    Args:
        recordings: As read.

    Example:
        >>> one = Recording(Path("a.7.wav"), "a.7.wav", ("a",), "a.7.wav", extra={"take": "7"})
        >>> describe_file_names([one])
        ['a.7.wav: label a, take 7']
    """
    last = len(recordings) - 1
    steps = {round(last * step / (_NUM_SHOWN - 1)) for step in range(_NUM_SHOWN)} if last else {0}
    shown = [recordings[index] for index in sorted(steps)] if recordings else []
    return [f"{one.name}: " + ", ".join(_facts(one)) for one in shown]


def _facts(one: Recording) -> Iterator[str]:
    yield f"label {';'.join(one.labels)}"
    if one.has_group:
        yield f"group {one.group}"
    for key, value in {"split": one.split, "fold": one.fold, **one.extra}.items():
        if value:
            yield f"{key} {value}"
