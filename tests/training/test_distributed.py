"""Two processes over Gloo against one: the metrics are the same to the last digit."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from earmark.cli import cli

SETTINGS = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=4" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.batch_size=4",
    "train.epochs=3",
    "train.grad_accumulation_steps=2",
    "train.refit=true",
    "predict.overlap=0.9",
    "evaluate.baseline=false",
)


def earmark(*arguments, processes=1):
    arguments = [str(one) for one in arguments]
    if processes == 1:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.stderr
        return result
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *launcher, "-m", "earmark", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def two_process_run(tmp_path_factory, write_clip):
    folder = tmp_path_factory.mktemp("two_processes")
    data, run, store = folder / "data", folder / "run", folder / "store"
    for split, count in {"training": 6, "validation": 3, "testing": 1}.items():
        for label, kind in {"music": "tone", "speech": "noise"}.items():
            for index in range(count):
                path = data / split / label / f"{split}_{index}.wav"
                write_clip(path, 0.8 + 0.4 * index, kind=kind, seed=count * 10 + index)
    settings = [part for one in SETTINGS for part in ("--set", one)]
    trained = earmark(
        *("train", data, "-o", run, "--store", store, "--device", "cpu", "--json"),
        *settings,
        processes=2,
    )
    return data, run, store, trained


def test_of_two_processes_one_prints(two_process_run):
    _, run, _, trained = two_process_run
    assert len(trained.stdout.splitlines()) == 1
    assert trained.stderr.count("epoch   1 ") == 2
    for folder in (run / "held_out", run):
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in log] == [1, 2, 3]
    assert json.loads(trained.stdout)["epochs"] == 3


def test_the_validation_metrics_of_two_processes_are_those_of_the_saved_model(
    two_process_run, tmp_path
):
    """The buffers are the first process's, no window is padded, and the sums are the same."""
    data, run, store, trained = two_process_run
    model = shutil.copy(run / "held_out" / "best.safetensors", tmp_path / "first.safetensors")
    shutil.copytree(data / "validation", tmp_path / "data" / "testing")
    shutil.copytree(data / "training", tmp_path / "data" / "training")
    metrics = [
        json.loads(
            earmark(
                *("evaluate", model, tmp_path / "data", "--json", "--store", store),
                *("--device", "cpu", "-o", tmp_path / f"out{processes}"),
                processes=processes,
            ).stdout
        )
        for processes in (1, 2)
    ]
    validation = json.loads(trained.stdout)["validation"]
    # The temperature was fitted on these clips, and the log has the loss before it.
    for one in metrics:
        one["loss"] = one["calibration"]["before"]["loss"]
        # A test has intervals as well.
        for label, known in validation["per_class"].items():
            one["per_class"][label] = {key: one["per_class"][label][key] for key in known}
    for key, value in validation.items():
        assert metrics[0][key] == metrics[1][key] == value, key
    one, two = ((tmp_path / f"out{n}" / "predictions.csv").read_bytes() for n in (1, 2))
    assert one == two
