"""Processes of torchrun against one: the same metrics to the last digit, and what a fault does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def launch(program, processes, *options):
    """Starts torchrun; PROGRAM are its words after the options."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *options]
    command += [f"--nproc-per-node={processes}", *map(str, program)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def earmark(*arguments, processes=1):
    arguments = [str(one) for one in arguments]
    if processes == 1:
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.stderr
        return result
    process = launch(["-m", "earmark", *arguments], processes)
    process.stdout, process.stderr = process.communicate(timeout=400)
    assert process.returncode == 0, process.stderr
    return process


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


@pytest.mark.slow
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


TRAINED = (
    *(one for one in SETTINGS if not one.startswith(("train.epochs", "train.refit"))),
    "train.epochs=6",
    "train.patience=6",
    "train.lr_schedule=constant",
    "train.warmup_fraction=0.0",
)


def words(data, run, store, *settings):
    settings = [part for one in (*TRAINED, *settings) for part in ("--set", one)]
    return ["train", data, "-o", run, "--store", store, "--device", "cpu", *settings]


def log_of(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: one[key] for key in one if key != "elapsed_seconds"} for one in lines]


@pytest.fixture(scope="module")
def whole_run(two_process_run, tmp_path_factory):
    """A run of two processes that nothing interrupts."""
    data, _, store, _ = two_process_run
    run = tmp_path_factory.mktemp("whole") / "run"
    earmark(*words(data, run, store), processes=2)
    assert len(log_of(run)) == 6
    return run


def kill(launcher, rank):
    """Kills a process that torchrun has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent) == launcher.pid and f"RANK={rank}".encode() in variables:
            os.kill(int(folder.name), signal.SIGKILL)


def wait_for_epochs(run, number, launcher):
    log = run / "log.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= number):
        assert launcher.poll() is None, launcher.communicate()[1]
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_processes_are_started_again_and_nothing_differs(
    two_process_run, whole_run, tmp_path
):
    data, _, store, _ = two_process_run
    run = tmp_path / "run"
    launcher = launch(["-m", "earmark", *words(data, run, store)], 2, "--max-restarts=2")
    for number, rank in ((1, 1), (3, 0)):
        wait_for_epochs(run, number, launcher)
        kill(launcher, rank)
    errors = launcher.communicate(timeout=800)[1]
    assert launcher.returncode == 0, errors
    assert errors.count("resuming after epoch") == 2
    assert log_of(run) == log_of(whole_run)
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (whole_run / name).read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_restarts_a_killed_process_ends_all_and_the_same_command_resumes(
    two_process_run, whole_run, tmp_path
):
    data, _, store, _ = two_process_run
    run = tmp_path / "run"
    launcher = launch(["-m", "earmark", *words(data, run, store)], 2)
    wait_for_epochs(run, 2, launcher)
    kill(launcher, 1)
    errors = launcher.communicate(timeout=400)[1]
    assert launcher.returncode == 1
    assert "SIGKILL" in errors
    assert "rank      : 1 " in errors
    assert "internal error" not in errors
    earmark(*words(data, run, store), processes=2)
    assert log_of(run) == log_of(whole_run)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("processes", [1, 4])
def test_a_run_of_two_processes_goes_on_in_another_number(
    two_process_run, whole_run, tmp_path, processes
):
    data, _, store, _ = two_process_run
    run = shutil.copytree(whole_run, tmp_path / "run")
    resumed = earmark(
        *words(data, run, store, "train.epochs=8", "train.patience=8"), processes=processes
    )
    assert resumed.stderr.count("resuming after epoch 6") == 1
    assert f"takes {4 * processes} windows, not 8" in resumed.stderr
    log = log_of(run)
    assert log[:6] == log_of(whole_run)
    assert [one.get("num_processes", 1) for one in log] == [2] * 6 + [processes] * 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_number_of_processes_gives_the_same_test_to_the_last_digit(
    two_process_run, whole_run, tmp_path
):
    data, _, store, _ = two_process_run
    found = set()
    for processes in (1, 2, 3, 4):
        place = tmp_path / str(processes)
        earmark(
            *("evaluate", whole_run, data, "--store", store, "--device", "cpu", "-o", place),
            processes=processes,
        )
        found.add((place / "predictions.csv").read_bytes())
    assert len(found) == 1


def script(folder, text):
    path = folder / "program.py"
    path.write_text(f"import os, sys\nRANK = int(os.environ['RANK'])\n{text}")
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_processes_that_would_disagree_on_early_stopping_stop_together(two_process_run, tmp_path):
    """As on machines whose processors round otherwise; each would wait for the other forever."""
    data, _, store, _ = two_process_run
    program = script(
        tmp_path,
        "from earmark.training import epochs\n"
        "scored, losses = epochs._metrics, iter(range(100, 0, -1))\n"
        "def metrics(predictions, spec):\n"
        "    loss = 1.0 if RANK == 0 else float(next(losses))\n"
        "    return {**scored(predictions, spec), 'val_loss': loss}\n"
        "epochs._metrics = metrics\n"
        "from earmark.cli import main\n"
        "main(sys.argv[1:])\n",
    )
    run = tmp_path / "run"
    launcher = launch([program, *words(data, run, store, "train.patience=2")], 2)
    errors = launcher.communicate(timeout=400)[1]
    assert launcher.returncode == 0, errors
    assert [one["val_loss"] for one in log_of(run)] == [1.0] * 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_processes_that_see_other_recordings_do_not_train(two_process_run, tmp_path):
    data, _, store, _ = two_process_run
    other = shutil.copytree(data, tmp_path / "data1")
    next((other / "training" / "music").iterdir()).unlink()
    (tmp_path / "data0").symlink_to(data)
    program = script(
        tmp_path,
        "from earmark.cli import main\nsys.argv[2] += str(RANK)\nmain(sys.argv[1:])\n",
    )
    run = tmp_path / "run"
    launcher = launch([program, *words(tmp_path / "data", run, store)], 2)
    errors = launcher.communicate(timeout=400)[1]
    assert launcher.returncode == 1
    assert "earmark: error: recordings: those of process 1 on " in errors
    assert not (run / "log.jsonl").exists()


def test_a_restart_does_not_delete_what_it_should_resume(monkeypatch, tmp_path, sound_folder):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    words = ["train", str(sound_folder), "-o", str(tmp_path / "run"), "--overwrite"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "--max-restarts" in result.stderr
