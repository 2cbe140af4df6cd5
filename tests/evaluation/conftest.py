import pytest


@pytest.fixture
def store(tmp_path):
    """Where `write_run` stores features."""
    return tmp_path / "store"
