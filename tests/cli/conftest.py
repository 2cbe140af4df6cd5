"""The command line inside this process, and a run that is trained once for all tests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from earmark.cli import cli
from earmark.config import load_config
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec

FAST = (
    *("--device", "cpu", "--recipe", "classic", "--set", "model.blocks.0.channels=4"),
    *("--set", "train.crop_seconds=0.5", "--set", "train.epochs=2"),
)


def invoke(*arguments: object, data: bytes = b"") -> Result:
    """Runs a command; `data` is its standard input."""
    return CliRunner().invoke(cli, [str(one) for one in arguments], input=data)


@pytest.fixture
def earmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A function that runs a command in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return invoke


@pytest.fixture(scope="session")
def documents() -> Callable[[Result], list[dict]]:
    """A function that parses what a command printed as JSON Lines."""
    return lambda result: [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="session")
def fast() -> tuple[str, ...]:
    """Options of a training of less than a second."""
    return FAST


@pytest.fixture(scope="session")
def first_training(tmp_path_factory, write_sounds) -> tuple[Path, Result]:
    """A run folder that no test may change, and what the command printed that made it."""
    folder = tmp_path_factory.mktemp("training")
    sounds, run = write_sounds(folder / "sounds"), folder / "run"
    result = invoke("train", sounds, "-o", run, "--json", "--store", folder / "store", *FAST)
    assert result.exit_code == 0, result.output
    return run, result


@pytest.fixture
def trained(tmp_path: Path, first_training: tuple[Path, Result]) -> Path:
    """A copy of the trained run, for the test alone."""
    return shutil.copytree(first_training[0], tmp_path / "run")


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[..., Path]:
    """A function that saves a network with random weights, or with the logits that are given."""

    def save(name="model", always=None, **spec):
        torch.manual_seed(0)
        settings = ("model.blocks.0.channels=4", "predict.hop_seconds=0.2")
        spec = ModelSpec(load_config(settings=settings), ("music", "speech"), 51, **spec)
        weights = new_network(spec).state_dict()
        if always is not None:
            weights["classifier.weight"].zero_()
            weights["classifier.bias"][:] = torch.tensor(always)
        path = tmp_path / f"{name}.safetensors"
        Checkpoint(spec, weights).save(path)
        return path

    return save


@pytest.fixture
def model(save_model: Callable[..., Path]) -> Path:
    return save_model()


@pytest.fixture
def sounds(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    """IN/{0,1,2,3}.wav of 1.5 to 2.5 s."""
    for number in range(4):
        write_clip(tmp_path / "in" / f"{number}.wav", 1.5 + number / 3, seed=number)
    return tmp_path / "in"
