import json

import pytest

from earmark.errors import TrainingError
from earmark.training.cross_validation import jobs

NO_BASELINE = ("--set", "evaluate.baseline=false")


@pytest.fixture
def folds_command(tmp_path, flat_folder):
    return (
        *("cross-validate", flat_folder, "--folds", "3", "--workers", "1", "--device", "cpu"),
        *("--recipe", "classic", "--set", "train.crop_seconds=0.5", "--set", "train.epochs=1"),
        *("--set", "evaluate.excerpt_seconds=0.4"),
        *(f"--set=model.blocks.{one}.channels=2" for one in range(4)),
    )


def test_json_keeps_its_contract_and_a_finished_one_is_not_repeated(
    earmark, tmp_path, folds_command, monkeypatch
):
    command = (*folds_command, *NO_BASELINE, "--json", "--seeds", "2", "-o", tmp_path / "cv")
    result = earmark(*command)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [(one["seed"], one["fold"]) for one in document["folds"]] == [
        (seed, fold) for seed in (0, 1) for fold in ("1", "2", "3")
    ]
    assert (document["num_clips"], document["num_predictions"]) == (20, 40)
    assert document["accuracy"] == document["num_correct"] / 40
    low, high = document["accuracy_interval"]
    assert low <= document["accuracy"] <= high
    for error in document["errors"]:
        assert {"path", "label", "predicted", "probability"} <= set(error)
    assert sum(one["num_wrong"] for one in document["errors"]) == 40 - document["num_correct"]
    assert document["excerpts"]["seconds"] == 0.4
    assert json.loads((tmp_path / "cv" / "result.json").read_text()) == document
    monkeypatch.setattr(jobs, "run_training", pytest.fail)
    assert json.loads(earmark(*command).stdout) == document


def test_people_see_every_fold_and_every_error(earmark, tmp_path, folds_command):
    command = (*folds_command, "--quiet", "-o", tmp_path / "cv")
    text = earmark(*command)
    assert text.exit_code == 0
    assert text.stderr == ""
    document = json.loads((tmp_path / "cv" / "result.json").read_text())
    for error in document["errors"]:
        assert error["path"] in text.stdout
    assert f"{document['num_correct']} of 20" in text.stdout


def test_failed_folds_are_named_and_the_exit_status_is_one(earmark, folds_command, monkeypatch):
    run = jobs.run_training

    def failing(manifest, *rest, **options):
        if {one.fold for one in manifest.split("test")} == {"2"}:
            raise TrainingError("the training loss is nan")
        return run(manifest, *rest, **options)

    monkeypatch.setattr(jobs, "run_training", failing)
    result = earmark(*folds_command, *NO_BASELINE, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"][0]["fold"] == "2"
    assert "fold 2: the training loss is nan" in result.stderr


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_interruption_says_whether_it_can_be_resumed(
    earmark, tmp_path, folds_command, monkeypatch, is_kept
):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_run", interrupted)
    result = earmark(*folds_command, *(("-o", tmp_path / "cv") if is_kept else ()))
    assert result.exit_code == 130
    assert ("resume" in result.stderr) is is_kept
