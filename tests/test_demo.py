"""The demonstration, on its own data and on a few clips."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from earmark.cli import cli
from earmark.system.runtime import Runtime


@pytest.fixture
def earmark():
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    return run


@pytest.fixture
def few_clips(sound_folder, monkeypatch):
    """A small data set in place of the demonstration's."""

    @contextmanager
    def demo_data():
        yield sound_folder

    monkeypatch.setattr("earmark.demo.demo_data", demo_data)


@pytest.mark.slow
@pytest.mark.usefixtures("few_clips", "quick_report")
def test_the_demonstration_can_start_again(earmark, tmp_path):
    command = ("demo", "-o", tmp_path / "demo", "--device", "cpu", "--recipe", "classic")
    command += ("--set", "train.epochs=1", "--set", "evaluate.baseline=false")
    command += tuple(f"--set=model.blocks.{one}.channels=4" for one in range(4))
    assert earmark(*command).exit_code == 0
    refused = earmark(*command, "--seed", "1")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert earmark(*command, "--seed", "1", "--overwrite").exit_code == 0


def test_only_the_first_process_of_a_demonstration_writes(
    tmp_path, monkeypatch, earmark, few_clips
):
    def start(device, reporter):
        return nullcontext(Runtime(torch.device("cpu"), rank=1))

    monkeypatch.setattr("earmark.system.runtime.start", start)
    monkeypatch.setattr("earmark.demo.train", lambda *_, **__: None)
    monkeypatch.setattr("earmark.demo.evaluate", lambda *_, **__: SimpleNamespace(report=None))
    for name in ("check", "prepare", "predict"):
        monkeypatch.setattr(f"earmark.demo.{name}", pytest.fail)
    result = earmark("demo", "-o", tmp_path / "demo")
    assert (result.exit_code, result.output) == (0, ""), result.output


def test_the_demonstration_runs_to_its_end(earmark, tmp_path):
    result = earmark(
        *("demo", "-o", tmp_path / "demo", "--device", "cpu", "--set", "train.epochs=1")
    )
    assert result.exit_code == 0, result.output
    assert "of 26 clips" in result.stdout
    assert str(tmp_path / "demo" / "report.html") in result.stdout.splitlines()[-1]
    assert "130 recordings" in result.stderr
    assert (tmp_path / "demo" / "report.html").exists()
