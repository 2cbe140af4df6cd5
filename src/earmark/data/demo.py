"""The recordings of speech and music that come with the package."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path


@contextmanager
def demo_data() -> Iterator[Path]:
    """The folder of the demonstration's data: 130 clips of speech and music with their licences.

    Example:
        >>> with demo_data() as folder:
        ...     (folder / "manifest.csv").is_file()
        True
    """
    with as_file(files("earmark") / "demo_data") as folder:
        yield folder
