from contextlib import nullcontext
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


def test_the_demonstration_can_start_again(earmark, tmp_path):
    command = ("demo", "-o", tmp_path / "demo", "--device", "cpu", "--set", "train.epochs=1")
    assert earmark(*command).exit_code == 0
    refused = earmark(*command, "--seed", "1")
    assert refused.exit_code == 1
    assert "give --overwrite to start again" in refused.stderr
    assert earmark(*command, "--seed", "1", "--overwrite").exit_code == 0


def test_only_the_first_process_of_a_demonstration_writes(tmp_path, monkeypatch, earmark):
    def start(device, reporter):
        return nullcontext(Runtime(torch.device("cpu"), rank=1))

    monkeypatch.setattr("earmark.system.runtime.start", start)
    for name in ("prepare_once", "train", "evaluate"):
        monkeypatch.setattr(
            f"earmark.demo.{name}", lambda *_, **__: SimpleNamespace(keys=(), num_computed=0)
        )
    monkeypatch.setattr("earmark.demo.check", pytest.fail)
    result = earmark("demo", "-o", tmp_path / "demo")
    assert (result.exit_code, result.output) == (0, ""), result.output


def test_the_demonstration_runs_to_its_end(earmark, tmp_path):
    result = earmark(
        *("demo", "-o", tmp_path / "demo", "--device", "cpu", "--set", "train.epochs=2")
    )
    assert result.exit_code == 0, result.output
    assert "of 26 clips" in result.stdout
    assert result.stdout.splitlines()[-1] == f"Report: {tmp_path / 'demo' / 'report.html'}"
    assert "130 files" in result.stderr
    assert (tmp_path / "demo" / "report.html").exists()
