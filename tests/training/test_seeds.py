"""Several seeds: a run folder each, and their mean."""

from dataclasses import replace
from pathlib import Path

import pytest

from earmark.config import load_config
from earmark.models.run_folder import RunFolder
from earmark.training.result import TrainingResult
from earmark.training.seeds import SeedResults, train_seeds


def result(loss):
    validation = {"loss": loss, "accuracy": 1 - loss}
    return TrainingResult(Path("run"), Path("data"), 1, 1, False, validation, 10, 0.1)


def test_the_mean_and_the_deviation_of_a_sample():
    results = SeedResults([result(0.1), result(0.2), result(0.3)])
    assert results.mean("loss") == pytest.approx(0.2)
    assert results.standard_deviation("loss") == pytest.approx(0.1)
    assert results.mean("accuracy") == pytest.approx(0.8)


def test_one_seed_has_no_deviation():
    document = SeedResults([result(0.1)]).to_dict()
    assert document["validation"]["loss"] == {"mean": 0.1, "standard_deviation": None}


def test_seeds_without_validation_have_no_metrics():
    results = SeedResults([replace(result(0.1), validation=None)] * 2)
    assert not results.were_validated
    assert results.to_dict()["validation"] == {}


def test_runs_differ_in_their_seed_alone_and_are_not_trained_twice(
    tmp_path, sound_folder, monkeypatch
):
    settings = [
        *("recipe.name=classic", "train.epochs=1", "train.crop_seconds=0.5", "train.seed=3"),
        *(f"model.blocks.{one}.channels=2" for one in range(4)),
    ]
    arguments = (sound_folder, tmp_path / "run", 2, load_config(settings=settings))
    results = train_seeds(*arguments, device="cpu")
    configs = [load_config(RunFolder(one.run).config_file).to_dict() for one in results.runs]
    assert [config["train"].pop("seed") for config in configs] == [3, 4]
    assert configs[0] == configs[1]
    assert results.runs[0].validation["loss"] != results.runs[1].validation["loss"]
    monkeypatch.delattr("earmark.training.epochs.train_epoch")
    assert train_seeds(*arguments, device="cpu") == results
