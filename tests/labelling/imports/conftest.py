"""Label files of the tests: those that other programs wrote, and a reader for a format."""

from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.labelling.imports.annotations import LabelFile, ReadOptions
from earmark.labelling.imports.label_files import read_label_file


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Files that Praat and crowsetta wrote."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., LabelFile]:
    """A function that reads a text as a label file of a name."""

    def read(name: str, content: str | bytes, **options: object) -> LabelFile:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_label_file(path, ReadOptions(**options))

    return read


@pytest.fixture(scope="session")
def rows() -> Callable[[LabelFile], list[tuple]]:
    """A function that gives start, end and label of each annotation; there must be no problem."""

    def rows(found: LabelFile) -> list[tuple]:
        assert found.problems == []
        return [(one.start, one.end, one.label) for one in found.annotations]

    return rows
