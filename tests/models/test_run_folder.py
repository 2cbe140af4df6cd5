"""A run folder belongs to one run: its settings, its recordings and nothing of others."""

import json
from pathlib import Path

import pytest
import torch

from earmark.config import Config, load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, TrainingError
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder, find_run
from earmark.system.runtime import Runtime
from earmark.training.train import train

SMALL = (
    "recipe.name=classic",
    "model.blocks.0.channels=4",
    "train.crop_seconds=0.5",
    "train.epochs=2",
)


@pytest.fixture
def run_training(tmp_path, sound_folder):
    def run(path, *settings, **options):
        runtime = Runtime(torch.device("cpu"))
        config = load_config(settings=[*SMALL, *settings])
        store = tmp_path / "store"
        manifest = read_manifest(sound_folder)
        return train(manifest, path, config, device=runtime, store=store, **options)

    return run


def begin(path, *settings):
    """A run folder of a run that was trained with these settings, but for the weights."""
    run = RunFolder(path)
    run.open(load_config(settings=settings), "name\n", overwrite=True)
    run.last.touch()
    return run


def resume(run, *settings):
    run.refuse_misuse(load_config(settings=settings), None, overwrite=False)


def test_a_run_without_settings_of_schedules_is_another_run(tmp_path):
    run = begin(tmp_path)
    lines = run.config_file.read_text().splitlines(keepends=True)
    run.config_file.write_text(
        "".join(one for one in lines if not one.startswith(("lr_schedule", "warmup_fraction")))
    )
    with pytest.raises(TrainingError, match="settings"):
        resume(run)


def test_a_run_folder_inside_the_data_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "training" / "run"):
        with pytest.raises(TrainingError, match="data folder"):
            RunFolder(path).refuse_misuse(load_config(), tmp_path, overwrite=True)


@pytest.mark.parametrize(
    "name", ["config.toml", "recordings.csv", "teachers.csv", "log.jsonl", "report.html"]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_are_not_those_of_a_run_are_never_touched(tmp_path, name, overwrite):
    foreign = tmp_path / "project" / name
    foreign.parent.mkdir()
    foreign.write_text("of others")
    with pytest.raises(TrainingError, match=str(foreign.parent)):
        RunFolder(foreign.parent).refuse_misuse(load_config(), None, overwrite=overwrite)
    assert foreign.read_text() == "of others"


def test_a_run_that_never_trained_does_not_claim_its_folder(run_training, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match="model"):
        run_training(run, "model.blocks.0.pool_size=[64,4]")
    with pytest.raises(TrainingError, match=r"train\.learning_rate"):
        run_training(run, "train.learning_rate=1e30")
    (run / "last.safetensors").unlink(missing_ok=True)
    assert run_training(run).epochs == 2


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("train.lr_schedule=constant",),
        ("train.lr_schedule=cosine", "train.warmup_fraction=0.0"),
    ],
)
def test_a_schedule_spans_its_epochs_and_cannot_be_given_more(tmp_path, settings):
    run = begin(tmp_path, *settings)
    with pytest.raises(TrainingError, match="settings"):
        resume(run, *settings, "train.epochs=4")
    resume(run, *settings, "train.patience=9")


def test_a_finished_run_can_be_given_more_epochs(run_training, tmp_path):
    steady = ("train.lr_schedule=constant", "train.warmup_fraction=0.0", "train.patience=9")
    run_training(tmp_path / "run", *steady)
    longer = run_training(tmp_path / "run", *steady, "train.epochs=4")
    at_once = run_training(tmp_path / "whole", *steady, "train.epochs=4")
    assert longer.epochs == 4
    one, two = ((tmp_path / name / "last.safetensors") for name in ("run", "whole"))
    assert load_weights(one) == load_weights(two)
    assert at_once.best_epoch == longer.best_epoch


def load_weights(path):
    return {name: one.tolist() for name, one in load_checkpoint(path).model.items()}


def test_overwriting_removes_the_results_of_the_other_run(tmp_path):
    run = begin(tmp_path)
    report = tmp_path / "report.html"
    report.write_text("of the old run")
    other = load_config(settings=["train.seed=3"])
    with pytest.raises(TrainingError, match="settings"):
        run.refuse_misuse(other, None, overwrite=False)
    run.refuse_misuse(other, None, overwrite=True)
    run.open(other, "name\n", overwrite=True)
    assert not report.exists()
    assert not run.last.exists()
    assert load_config(run.config_file).train.seed == 3


def test_recordings_come_back_with_their_odd_names(tmp_path):
    run = RunFolder(tmp_path)
    run.open(load_config(), 'name,key\n"a\r.wav",k\ncaf\udce9.wav,\n', overwrite=False)
    rows = [{"name": "a\r.wav", "key": "k"}, {"name": "caf\udce9.wav", "key": ""}]
    assert run.read_recordings() == rows


def test_a_damaged_log_is_as_good_as_none(tmp_path):
    run = RunFolder(tmp_path)
    assert run.read_log() == []
    run.write_log([{"epoch": 1}])
    assert run.read_log() == [{"epoch": 1}]
    run.log.write_text("{not json")
    assert run.read_log() == []


def test_a_run_is_found_from_its_folder_and_from_its_models(tmp_path):
    run = begin(tmp_path / "run")
    assert find_run(run.path) == find_run(run.best) == run
    assert find_run(tmp_path) is None


def test_a_model_beside_a_foreign_table_is_not_in_a_run(tmp_path):
    (tmp_path / "recordings.csv").write_text("path,label\n")
    (tmp_path / "manifest.csv").write_text("path,label\n")
    assert find_run(tmp_path / "model.safetensors") is None


def test_a_run_knows_how_the_names_of_its_own_data_were_read(tmp_path, monkeypatch):
    run, data = RunFolder(tmp_path / "runs" / "one"), tmp_path / "data"
    data.mkdir()
    naming = {"label_from": "{label}_*", "group_from": None}
    run.write_naming(data, naming)
    assert run.read_naming(data) == naming
    assert run.read_naming(tmp_path / "other") == {}
    monkeypatch.chdir(data)
    assert run.read_naming(Path("../data")) == naming
    # Folder and data may move together.
    (tmp_path / "moved").mkdir()
    for name in ("runs", "data"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    moved = RunFolder(tmp_path / "moved" / "runs" / "one")
    assert moved.read_naming(tmp_path / "moved" / "data") == naming


def test_the_fingerprint_of_the_data_is_one_of_the_results(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_fingerprint({"num_clips": 2})
    written = run.path / "fingerprint.json"
    assert json.loads(written.read_text()) == {"num_clips": 2}
    run.open(Config(), "path,label\n", overwrite=True)
    assert not written.exists()


def test_a_new_run_without_patterns_forgets_those_of_another(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.write_naming(tmp_path, {"label_from": "{label}_*", "group_from": None})
    run.last.touch()
    run.write_naming(tmp_path, {"label_from": None, "group_from": None})
    assert run.read_naming(tmp_path)
    run.last.unlink()
    run.write_naming(tmp_path, {"label_from": None, "group_from": None})
    assert run.read_naming(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '"x"'])
def test_a_damaged_record_of_names_is_an_error(tmp_path, text):
    (tmp_path / "naming.json").write_text(text)
    with pytest.raises(TrainingError, match=r"naming\.json"):
        RunFolder(tmp_path).read_naming(tmp_path)
