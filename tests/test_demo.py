"""The demonstration, from the data inside the package to a report."""

from contextlib import nullcontext

import pytest
import torch
from click.testing import CliRunner

from earmark.cli import cli
from earmark.system.runtime import Runtime


@pytest.fixture
def demo(tmp_path):
    """A function that runs the demonstration with as little training as there can be."""

    def run(*options):
        command = ["demo", "-o", tmp_path / "demo", "--device", "cpu", "--set", "train.epochs=1"]
        return CliRunner().invoke(cli, [str(one) for one in (*command, *options)])

    return run


def test_the_demonstration_runs_to_its_end_and_starts_again_if_told(demo, tmp_path):
    report = tmp_path / "demo" / "report.html"
    result = demo()
    assert result.exit_code == 0, result.output
    assert "of 26" in result.stdout
    assert str(report) in result.stdout.splitlines()[-1]
    assert "130 files" in result.stderr
    report.unlink()
    refused = demo("--seed", "1")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr
    assert not report.exists()


def test_only_the_first_process_checks_and_predicts(demo, monkeypatch):
    def start(device, reporter):
        return nullcontext(Runtime(torch.device("cpu"), rank=1))

    monkeypatch.setattr("earmark.system.runtime.start", start)
    for name in ("train", "evaluate"):
        monkeypatch.setattr(f"earmark.demo.{name}", lambda *_, **__: None)
    for name in ("check", "prepare", "load_model"):
        monkeypatch.setattr(f"earmark.demo.{name}", pytest.fail)
    result = demo()
    assert (result.exit_code, result.output) == (0, "")
