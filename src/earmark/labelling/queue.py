"""A queue of windows to label: a manifest whose recordings have no labels yet."""

from collections.abc import Sequence
from pathlib import Path

from earmark.errors import ConfigError, DataError
from earmark.labelling.suggest import Suggestion
from earmark.system.files import atomic_write, csv_lines, path_from

COLUMNS = ("path", "start", "end", "predicted", "probability", "score", "reason")


def write_queue(path: Path, suggestions: Sequence[Suggestion], *, overwrite: bool = False) -> None:
    """Writes suggestions as CSV; paths are relative to its folder.

    Args:
        path: The file, ``.csv``.
        suggestions: In order.
        overwrite: Replace a file of that name.

    Raises:
        ConfigError: The name does not end in ``.csv``, or the file exists.
        DataError: A file name is no text.
    """
    refuse_queue(path, overwrite=overwrite)
    rows = [
        (
            path_from(path.parent, one.path),
            *(f"{one.start:.3f}", f"{one.end:.3f}", one.predicted),
            *(f"{one.probability:.6f}", f"{one.score:.6f}", one.reason),
        )
        for one in suggestions
    ]
    text = "".join(csv_lines([COLUMNS, *rows]))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{path}: a file name is not UTF-8, so no table can hold it; rename the file"
        ) from None
    atomic_write(path, text)


def refuse_queue(path: Path, *, overwrite: bool) -> None:
    """Checks, before any work, that a queue may be written.

    Raises:
        ConfigError: As `write_queue`.
    """
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"{path}: the name of a queue must end in .csv")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists; choose another name, or replace it with --overwrite")
