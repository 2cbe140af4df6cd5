"""What holds for every test, and random numbers; the other fixtures are in `fixtures`, by theme."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes test at once: more threads in each would only wait for one another.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

FIXTURES = (
    *("browser", "containers", "data_sets", "file_server"),
    *("hostile_decoder", "models", "processes", "sounds"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Loads the fixtures, unless this process only hands out tests: they import PyTorch."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    from hypothesis import settings

    # An example takes as long as the machine lets it: no behaviour has a time limit of its own.
    settings.register_profile("earmark", deadline=None)
    settings.load_profile("earmark")
    for name in FIXTURES:
        config.pluginmanager.import_plugin(f"fixtures.{name}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs a GPU where there is none."""
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Captured output as text that one test process can send to another."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the store that commands share by default out of the user's own cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: folder / name)
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_loss_curve() -> Generator[None]:
    """Trainings of this process write `loss.png` without a picture, which takes longer than them.

    A test whose subject is the picture asks for `loss_curve`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.training.epochs.loss_curve", lambda log, best_epoch: b"no picture")
        yield


@pytest.fixture
def loss_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainings of the test draw their loss."""
    from earmark.training import plots

    monkeypatch.setattr("earmark.training.epochs.loss_curve", plots.loss_curve)
