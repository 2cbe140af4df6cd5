"""A study: trials that are sampled, trained, pruned, shared and resumed."""

import csv
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import get_all_start_methods
from queue import SimpleQueue
from types import SimpleNamespace

import optuna
import pytest
import torch
from click.testing import CliRunner

from earmark.cli import cli
from earmark.config import load_config
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.features.store import FeatureStore
from earmark.figures import to_png
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.training.tuning import search
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.search import tune
from earmark.training.tuning.trials import make_pruner

CPU = Runtime(torch.device("cpu"))
needs_fork = pytest.mark.skipif("fork" not in get_all_start_methods(), reason="no fork")
SPACE = (
    '"train.learning_rate" = {low = 1e-3, high = 1e-1, log = true}, '
    '"train.batch_size" = {low = 4, high = 8}, "model.blocks.*.channels" = [2, 4]'
)
SMALL = (
    "recipe.name=classic",
    "train.crop_seconds=0.5",
    "train.epochs=2",
    "tune.trials=3",
    "tune.startup_trials=2",
    "tune.warmup_epochs=1",
    f"tune.space={{{SPACE}}}",
    "evaluate.baseline=false",
)


@pytest.fixture
def run_study(tmp_path, sound_folder):
    def run(*settings, name="study", **options):
        return tune(
            sound_folder,
            tmp_path / name,
            load_config(settings=[*SMALL, *settings]),
            device=CPU,
            store=tmp_path / "store",
            **{"num_workers": 1, **options},
        )

    return run


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """The figures of a study are made, but not drawn: that takes longer than its trials."""
    monkeypatch.setattr(search, "to_png", lambda figure: b"no picture")


@pytest.fixture(scope="module")
def real(tmp_path_factory, write_sounds):
    """A study that has trained its trials and drawn its plots, without a readable test split."""
    folder = tmp_path_factory.mktemp("real")
    data, study, store = write_sounds(folder / "sounds"), folder / "study", folder / "store"
    for path in (data / "testing").rglob("*.wav"):
        path.write_bytes(b"not sound: reading it would be noticed")
    config = load_config(settings=[*SMALL, "tune.trials=5", "tune.pruner=none"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "to_png", to_png)
        result = tune(data, study, config, device=CPU, store=store, num_workers=1)
    return SimpleNamespace(result=result, study=study, store=store)


@pytest.fixture
def plant(monkeypatch):
    """Trials that reach planted losses, a list of them a trial, an epoch each."""

    def put(*planted):
        remaining = list(planted)

        def pretend(manifest, run, config, *, watch, **_):
            run.mkdir()
            losses = remaining.pop(0)
            if isinstance(losses, BaseException):
                raise losses
            for epoch, loss in enumerate(losses, start=1):
                watch({"epoch": epoch, "val_loss": loss, "val_accuracy": 1 - loss})
            return SimpleNamespace(validation={"loss": min(losses), "accuracy": 1 - min(losses)})

        monkeypatch.setattr("earmark.training.tuning.trials.run_training", pretend)
        return remaining

    return put


def rows(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(folder):
    return [[row["train.learning_rate"], row["model.blocks.*.channels"]] for row in rows(folder)]


def test_a_study_writes_its_table_and_its_plots(real):
    result, study = real.result, real.study
    assert (result.num_trials, result.num_complete, result.num_failed) == (5, 5, 0)
    table = rows(study)
    assert [row["number"] for row in table] == list("01234")
    assert {row["state"] for row in table} == {"complete"}
    assert {row["epochs"] for row in table} == {"2"}
    assert result.best.value == min(float(row["value"]) for row in table)
    assert float(table[result.best.number]["value"]) == result.best.value
    for name in ("history.png", "importance.png", "parallel.png"):
        assert (study / name).read_bytes().startswith(b"\x89PNG")
    assert list((study / "workers").iterdir()) == []


def test_the_best_settings_are_a_configuration_and_their_run_is_kept(real):
    result, folder = real.result, StudyFolder(real.study)
    best = load_config(folder.best_settings())
    assert best.train.learning_rate == result.best.settings["train.learning_rate"]
    assert best.train.batch_size == result.best.settings["train.batch_size"]
    channels = result.best.settings["model.blocks.*.channels"]
    assert [block.channels for block in best.model.blocks] == [channels] * 4
    assert best.train.crop_seconds == 0.5
    assert best.tune == load_config().tune
    (kept,) = folder.trials.iterdir()
    assert kept == folder.run(result.best.number)
    assert load_checkpoint(kept).progress["validation"]["loss"] == result.best.value


def test_a_resumed_study_trains_the_missing_trials_and_samples_as_an_uninterrupted_one(
    run_study, tmp_path, monkeypatch
):
    run_study("tune.trials=2")
    first = rows(tmp_path / "study")
    run_study("tune.trials=3")
    assert rows(tmp_path / "study")[:2] == first
    # The third is sampled by what the first two have reached.
    run_study("tune.trials=3", name="whole")
    assert len(rows(tmp_path / "study")) == 3
    assert drawn(tmp_path / "study") == drawn(tmp_path / "whole")
    monkeypatch.delattr("earmark.training.tuning.trials.run_training")
    assert run_study("tune.trials=3").num_trials == 3


def test_another_seed_samples_other_values(run_study, tmp_path, plant):
    plant(*[[0.5]] * 6)
    run_study()
    run_study("train.seed=1", name="other")
    assert drawn(tmp_path / "study") != drawn(tmp_path / "other")


def test_an_interrupted_trial_is_trained_again_with_its_values(run_study, tmp_path, plant):
    plant([0.5], KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_study()
    left = plant([0.4], [0.3])
    assert run_study().num_trials == 3
    assert left == []
    table = rows(tmp_path / "study")
    assert [row["state"] for row in table] == ["complete", "interrupted", "complete", "complete"]
    assert drawn(tmp_path / "study")[1] == drawn(tmp_path / "study")[2]
    plant([0.5], [0.4], [0.3])
    run_study(name="whole")
    assert drawn(tmp_path / "study")[2:] == drawn(tmp_path / "whole")[1:]
    assert [path.name for path in (tmp_path / "study" / "trials").iterdir()] == ["0003"]


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_its_trial_trained_again(run_study, tmp_path, sound_folder):
    long = ("train.epochs=40", "train.patience=40", "tune.trials=1")
    settings = [f"--set={one}" for one in (*SMALL, *long)]
    study = tmp_path / "study"
    command = [sys.executable, "-m", "earmark", "tune", str(sound_folder), "-o", str(study)]
    command += ["--store", str(tmp_path / "store"), "--workers", "1", "--device", "cpu", *settings]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (study / "trials/0000/last.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run_study(*long).num_complete == 1
    assert [row["state"] for row in rows(study)] == ["interrupted", "complete"]
    first, second = drawn(study)
    assert first == second


def test_the_trial_of_a_dead_worker_is_trained_again(run_study, tmp_path, plant):
    def die(*_, **__):
        # As a killed worker leaves things: its trial runs, and nobody holds the lock of its name.
        raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.training.tuning.trials.run_training", die)
        with pytest.raises(_Killed):
            run_study("tune.trials=1")
    plant([0.5])
    assert run_study("tune.trials=1").num_complete == 1
    assert [row["state"] for row in rows(tmp_path / "study")] == ["interrupted", "complete"]
    first, second = drawn(tmp_path / "study")
    assert first == second


class _Killed(BaseException):
    """Ends a worker without an ordinary error."""


def test_a_worker_reports_its_error(run_study, tmp_path, plant, monkeypatch):
    jobs = []
    set_up = search._set_up
    monkeypatch.setattr(search, "_set_up", lambda *args: jobs.append(set_up(*args)) or jobs[-1])
    plant([0.5])
    run_study("tune.trials=1")
    (tmp_path / "study" / "best.toml").unlink()
    (tmp_path / "study" / "best.toml").mkdir()
    plant([0.5])
    tuned = jobs[0].config.tune.model_copy(update={"trials": 2})
    job = replace(jobs[0], config=jobs[0].config.model_copy(update={"tune": tuned}))
    errors = SimpleQueue()
    before = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit):
            search._work_alone(job, "cpu", errors)
    finally:
        torch.set_num_threads(before)
    assert "best.toml" in errors.get()


def test_the_trial_of_a_living_worker_is_left_alone(run_study, tmp_path, monkeypatch):
    def meanwhile(*_, **__):
        with pytest.raises(TrainingError, match="study: "):
            run_study("tune.trials=1")
        assert [path.name for path in (tmp_path / "study" / "workers").iterdir()] != []
        return SimpleNamespace(validation={"loss": 0.5, "accuracy": 0.5})

    monkeypatch.setattr("earmark.training.tuning.trials.run_training", meanwhile)
    assert run_study("tune.trials=1").num_trials == 1
    assert [row["state"] for row in rows(tmp_path / "study")] == ["complete"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "start",
    [
        pytest.param("fork", marks=needs_fork),
        # Each worker imports everything again.
        pytest.param("spawn", marks=pytest.mark.slow),
    ],
)
def test_workers_share_a_study(run_study, tmp_path, monkeypatch, start):
    context = multiprocessing.get_context(start)
    if start == "fork":
        # What is sent must be fit for processes that are spawned, too.
        class Checked(context.Process):
            def __init__(self, *, args, **others):
                super().__init__(args=(pickle.loads(pickle.dumps(args[0])), *args[1:]), **others)

        context = SimpleNamespace(Process=Checked, SimpleQueue=context.SimpleQueue)
    monkeypatch.setattr(search.multiprocessing, "get_context", lambda method: context)
    result = run_study("tune.trials=3", num_workers=2)
    assert result.num_trials == 3
    assert sorted(row["number"] for row in rows(tmp_path / "study")) == list("012")
    assert len({tuple(values) for values in drawn(tmp_path / "study")}) == 3
    assert len(list((tmp_path / "study" / "trials").iterdir())) == 1


@pytest.mark.slow
def test_the_error_of_failed_workers_is_reported(run_study, tmp_path, sound_folder):
    run_study("tune.trials=1")
    study = tmp_path / "study"
    (study / "best.toml").unlink()
    (study / "best.toml").mkdir()
    with pytest.raises(TrainingError, match=r"2 of 2 .*best\.toml"):
        run_study("tune.trials=9", num_workers=2)


@pytest.mark.parametrize(
    ("pruner", "epochs", "states"),
    [
        ("median", "4423", "complete complete pruned complete"),
        ("none", "4444", "complete complete complete complete"),
    ],
)
def test_trials_that_lag_behind_are_pruned_after_the_warm_up(
    run_study, tmp_path, plant, pruner, epochs, states
):
    good, bad = [0.5, 0.4, 0.3, 0.2], [0.9, 0.9, 0.9, 0.9]
    planted = [good, good, bad, [0.9, 0.3, 0.2, 0.1]]
    plant(*planted)
    result = run_study("tune.trials=4", "train.epochs=4", f"tune.pruner={pruner}")
    table = rows(tmp_path / "study")
    assert " ".join(row["state"] for row in table) == states
    if pruner == "none":
        assert "".join(row["epochs"] for row in table) == epochs
    else:
        assert table[2]["epochs"] == "2"
    assert result.num_pruned == states.split().count("pruned")
    assert (result.best.number, result.best.value) == (3, 0.1)


def test_hyperband_ends_the_worse_of_its_trials_early(run_study, tmp_path, plant):
    plant(*([index / 30] * 27 for index in range(30)))
    result = run_study(
        "tune.trials=30", "train.epochs=27", "tune.pruner=hyperband", "tune.startup_trials=30"
    )
    assert result.num_pruned > 10
    assert min(int(row["epochs"]) for row in rows(tmp_path / "study")) >= 2
    assert result.best.number == 0


def test_pruners_wait_for_the_warm_up():
    config = load_config(settings=["tune.warmup_epochs=7", "tune.startup_trials=3"])
    assert make_pruner(config)._n_warmup_steps == 8
    assert make_pruner(config)._n_startup_trials == 3


def test_the_objective_may_be_the_accuracy(run_study, plant):
    plant([0.3], [0.1], [0.2])
    result = run_study("tune.objective=accuracy")
    assert (result.best.number, result.best.value, result.objective) == (1, 0.9, "accuracy")


def test_settings_that_cannot_be_trained_with_fail_one_trial(run_study, tmp_path, plant):
    plant(TrainingError("the training loss is nan"), [0.5], MemoryError())
    result = run_study()
    assert (result.num_trials, result.num_complete, result.num_failed) == (3, 1, 2)
    table = rows(tmp_path / "study")
    assert [row["error"] for row in table] == ["the training loss is nan", "", "out of memory"]


def test_a_study_without_a_complete_trial_reports_the_first_error(run_study, plant):
    plant(*[TrainingError("the loss is nan")] * 3)
    with pytest.raises(TrainingError, match=r"study: .*the loss is nan"):
        run_study()


def test_a_half_written_line_of_the_journal_is_dropped(run_study, tmp_path, plant):
    plant([0.5], [0.4], [0.3])
    run_study("tune.trials=2")
    with (tmp_path / "study" / "journal.log").open("ab") as file:
        file.write(b'{"op_code":')
    assert run_study("tune.trials=3").num_trials == 3


def test_the_test_split_is_neither_read_nor_known_to_a_trial(real):
    assert len(FeatureStore(real.store, load_config().features)) == 18
    for table in real.study.rglob("recordings.csv"):
        assert "test" not in {
            row["split"] for row in csv.DictReader(table.read_text().splitlines())
        }


def test_features_are_computed_for_every_front_end_before_the_trials(run_study, tmp_path, plant):
    plant([0.5], [0.4], [0.3])
    run_study('tune.space={"features.n_mels" = [20, 30]}')
    for bands in (20, 30):
        features = load_config(settings=[f"features.n_mels={bands}"]).features
        assert len(FeatureStore(tmp_path / "store", features)) == 18


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('"train.learning_rat"=[0.1]', r"train\.learning_rate"),
        ('"model.blocks.*.kernel_size"=[3, 999]', r"kernel_size = 999: .*model\.blocks\.0"),
        ('"model.name"=["audio_cnn", "cnn"]', r"model\.name = cnn: "),
    ],
)
def test_a_bad_space_is_refused_before_any_work(run_study, tmp_path, space, message):
    with pytest.raises(ConfigError, match=message):
        run_study(f"tune.space={{{space}}}")
    assert not (tmp_path / "study").exists()
    assert not (tmp_path / "store").exists()


def test_a_study_needs_validation(run_study, tmp_path):
    with pytest.raises(ConfigError, match=r"train\.hold_out_validation"):
        run_study("train.hold_out_validation=false")


def test_another_study_in_the_folder_is_refused(run_study, plant, sound_folder, write_clip):
    plant(*[[0.5]] * 3)
    run_study()
    with pytest.raises(TrainingError, match=r"study: .*settings"):
        run_study("train.patience=3")
    write_clip(sound_folder / "training" / "music" / "new.wav", seed=77)
    with pytest.raises(TrainingError, match=r"study: .*data"):
        run_study()


def test_a_teacher_that_was_missing_is_no_other_study(
    run_study, plant, tmp_path, write_run, flat_folder
):
    plant(*[[0.5]] * 3)
    teacher = tmp_path / "teacher.safetensors"
    taught = f'train.teachers=["{teacher}"]'
    with pytest.raises(ConfigError, match=r"train\.teachers: .*teacher\.safetensors"):
        run_study(taught)
    assert not (tmp_path / "store").exists()
    one, other = (write_run(flat_folder, f"run{seed}", seed=seed) for seed in (0, 1))
    shutil.copy(one / "best.safetensors", teacher)
    run_study(taught)
    shutil.copy(other / "best.safetensors", teacher)
    with pytest.raises(TrainingError, match=r"study: "):
        run_study(taught)


def test_a_folder_of_something_else_is_refused(run_study, tmp_path, sound_folder):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "config.toml").write_text("a = 1")
    with pytest.raises(TrainingError, match="study: "):
        run_study()
    with pytest.raises(TrainingError, match="study: "):
        run_study(name=sound_folder / "study")


def test_data_that_cannot_be_trained_on_are_refused(run_study, sound_folder):
    for path in (sound_folder / "validation" / "music").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"'music' .*validation"):
        run_study()


def test_torchrun_is_refused(tmp_path, sound_folder):
    with pytest.raises(ConfigError, match="torchrun"):
        tune(
            *(sound_folder, tmp_path / "study", load_config()),
            device=replace(CPU, world_size=2),
        )


def test_optuna_logs_nothing_and_its_log_level_is_restored(run_study, plant, capfd):
    plant([0.5], [0.4], [0.3])
    before = optuna.logging.get_verbosity()
    run_study()
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


@pytest.fixture
def earmark():
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments])

    return run


def test_from_a_study_to_the_mean_over_seeds(earmark, tmp_path, sound_folder):
    settings = [f"--set={one}" for one in SMALL]
    study = tmp_path / "study"
    options = ("--device", "cpu", "--json")
    tuned = earmark(
        *("tune", sound_folder, "-o", study, "--workers", 1, "--trials", 2, *options, *settings)
    )
    assert tuned.exit_code == 0, tuned.stderr
    document = json.loads(tuned.stdout)
    assert document["study"] == str(study)
    assert document["num_trials"] == 2
    assert set(document["best"]) == {"number", "value", "epochs", "settings"}
    assert "best so far: train.learning_rate=" in tuned.stderr

    run = tmp_path / "run"
    trained = earmark(
        *("train", sound_folder, "-o", run, "--from-study", study, "--seeds", 2, *options),
        *("--seed", 5, "--set", "train.epochs=1"),
    )
    assert trained.exit_code == 0, trained.stderr
    document = json.loads(trained.stdout)
    assert [one["run"] for one in document["runs"]] == [str(run / "seed5"), str(run / "seed6")]
    losses = [one["validation"]["loss"] for one in document["runs"]]
    assert document["validation"]["loss"]["mean"] == pytest.approx(sum(losses) / 2)
    assert document["validation"]["accuracy"]["standard_deviation"] is not None
    best = load_config(study / "best.toml").train
    assert load_config(run / "seed6" / "config.toml").train.learning_rate == best.learning_rate


def test_the_best_settings_and_the_next_command_are_printed(earmark, tmp_path, sound_folder):
    settings = [f"--set={one}" for one in SMALL]
    result = earmark(
        *("tune", sound_folder, "-o", tmp_path / "s", "--workers", 1, "--trials", 1, *settings)
    )
    assert result.exit_code == 0, result.stderr
    assert "train.batch_size" in result.stdout
    assert "1 complete, 0 pruned, 0 failed" in result.stdout
    assert f"--from-study {tmp_path / 's'}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "{data}", "-o", "run", "--from-study", "{data}"), "earmark tune"),
        (
            ("train", "{data}", "-o", "run", "--from-study", "x", "--config", "y"),
            "--from-study and --config",
        ),
        (("tune", "{data}", "-o", "s", "--trials", "0"), "tune.trials: "),
        (("tune", "{data}", "-o", "s", "--set", "tune.pruner=x"), "tune.pruner: "),
    ],
)
def test_wrong_usage_is_one_line(earmark, sound_folder, arguments, message):
    result = earmark(*(one.format(data=sound_folder) for one in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_without_optuna_the_command_says_how_to_get_it(earmark, sound_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in ("search", "trials"):
        monkeypatch.delitem(sys.modules, f"earmark.training.tuning.{name}")
    result = earmark("tune", sound_folder, "-o", "study")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'earmark[tune]'" in result.stderr
