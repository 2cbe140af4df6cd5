"""Two processes over Gloo against one: the figures are the same to the last digit."""

import json
import os
import subprocess
import sys

import pytest

SETTINGS = (
    "model.blocks.0.channels=4",
    "model.blocks.1.channels=4",
    "train.crop_seconds=0.5",
    "train.batch_size=4",
    "train.epochs=3",
    "train.grad_accumulation_steps=2",
    "predict.overlap=0.9",
)


def earmark(*arguments, processes=1):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "earmark"]
    command += [str(one) for one in arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def two_process_run(tmp_path, sound_folder):
    run, store = tmp_path / "run", tmp_path / "store"
    settings = [part for one in SETTINGS for part in ("--set", one)]
    trained = earmark(
        *("train", sound_folder, "-o", run, "--store", store, "--device", "cpu", "--json"),
        *settings,
        processes=2,
    )
    return run, store, trained


def test_two_processes_train_and_one_speaks(two_process_run):
    run, _, trained = two_process_run
    assert len(trained.stdout.splitlines()) == 1
    assert trained.stderr.count("epoch   1 ") == 1
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert json.loads(trained.stdout)["epochs"] == 3


def test_the_validation_figures_of_two_processes_are_those_of_the_saved_model(
    two_process_run, sound_folder, tmp_path
):
    """The buffers are the first process's, no window is padded, and the sums are the same."""
    run, store, trained = two_process_run
    model = (run / "best.safetensors").rename(tmp_path / "model.safetensors")
    for split in ("testing", "validation"):
        (sound_folder / split).rename(sound_folder / f"was_{split}")
    (sound_folder / "was_validation").rename(sound_folder / "testing")
    figures = [
        json.loads(
            earmark(
                *("evaluate", model, sound_folder, "--json", "--store", store),
                *("--device", "cpu", "-o", tmp_path / f"out{processes}"),
                processes=processes,
            ).stdout
        )
        for processes in (1, 2)
    ]
    validation = json.loads(trained.stdout)["validation"]
    # The temperature was fitted on these clips, and the log tells the loss before it.
    for one in figures:
        one["loss"] = one["calibration"]["before"]["loss"]
        # A test tells intervals as well.
        for label, known in validation["per_class"].items():
            one["per_class"][label] = {key: one["per_class"][label][key] for key in known}
    for key, value in validation.items():
        assert figures[0][key] == figures[1][key] == value, key
    one, two = ((tmp_path / f"out{n}" / "predictions.csv").read_bytes() for n in (1, 2))
    assert one == two
