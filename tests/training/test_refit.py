"""`train.refit`: a training with held-out validation, then one on all clips with its rule."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from earmark.config import load_config
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.tasks.false_alarms import NO_SCORES
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.optimizer import train_epoch
from earmark.training.seeds import train_seeds
from earmark.training.train import train
from earmark.training.tuning.search import tune

CPU = Runtime(torch.device("cpu"))
SMALL = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.batch_size=8",
    "train.task=multi_label",
    "train.epochs=3",
    "train.patience=1",
    "train.min_delta=10.0",
    "evaluate.baseline=false",
)
REFIT = "train.refit=true"
ALONE = "train.hold_out_validation=false"


def settings(*more):
    return load_config(settings=[*SMALL, *more])


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_sounds):
    """Sounds with splits, and a run with a refit on them, whose first training stops early."""
    folder = tmp_path_factory.mktemp("refit")
    data = write_sounds(folder / "sounds")
    result = train(data, folder / "run", settings(REFIT), device=CPU, store=folder / "store")
    return SimpleNamespace(
        data=data, store=folder / "store", run=RunFolder(folder / "run"), result=result
    )


@pytest.fixture
def run_training(shared, tmp_path):
    """A function that trains below the folder of the test."""

    def run(name, *more, **options):
        folder = tmp_path / name
        train(shared.data, folder, settings(*more), device=CPU, store=shared.store, **options)
        return RunFolder(folder)

    return run


@pytest.fixture
def copy_of_shared(shared, tmp_path):
    return RunFolder(shutil.copytree(shared.run.path, tmp_path / "copy"))


def splits(run):
    found = {}
    for row in run.read_recordings():
        found.setdefault(row["split"], set()).add(row["name"])
    return found


def weights(run):
    return {path.name: path.read_bytes() for path in (run.best, run.last)}


def test_the_last_training_has_the_validation_clips_and_runs_all_epochs(shared):
    held_out, run = splits(shared.run.held_out), splits(shared.run)
    assert run == {
        "train": held_out["train"] | held_out["validation"],
        "test": held_out["test"],
    }
    assert [len(one.read_log()) for one in (shared.run.held_out, shared.run)] == [2, 3]
    assert all("val_loss" in line for line in shared.run.held_out.read_log())
    assert not any("val_loss" in line for line in shared.run.read_log())
    assert all((one.path / "loss.png").exists() for one in (shared.run.held_out, shared.run))


def test_the_weights_are_those_of_a_training_without_validation(shared, run_training):
    without = load_checkpoint(run_training("without", ALONE).best)
    refit = load_checkpoint(shared.run.best)
    assert all(torch.equal(one, refit.model[name]) for name, one in without.model.items())


def test_rule_and_validation_metrics_are_those_of_the_first_training(shared):
    first, refit = load_checkpoint(shared.run.held_out.best), load_checkpoint(shared.run.best)
    assert refit.spec.chosen_thresholds == first.spec.chosen_thresholds != ()
    assert refit.spec.temperature == first.spec.temperature
    assert refit.spec.known_scores == first.spec.known_scores != NO_SCORES
    assert refit.novelty is not None
    assert refit.progress["validation"] == first.progress["validation"] is not None
    assert refit.progress["epoch"] == 3
    assert (refit.spec.config.train.refit, first.spec.config.train.refit) == (True, False)


def test_both_trainings_have_as_many_threads(run_training, monkeypatch):
    found = iter((2, 1))
    monkeypatch.setattr("earmark.training.threads.choose_num_threads", lambda *_: next(found))
    run = run_training("threads", REFIT, "train.epochs=1")
    threads = [one.read_settings()["train"]["num_threads"] for one in (run, run.held_out)]
    assert threads == [2, 2]


def test_the_result_has_both_trainings(shared):
    document = json.loads(json.dumps(shared.result.to_dict()))
    first = document["held_out"]
    assert document["validation"] == first["validation"]
    assert (document["best_epoch"], document["epochs"], document["stopped_early"]) == (3, 3, False)
    assert (first["epochs"], first["stopped_early"], first["held_out"]) == (2, True, None)
    assert Path(first["run"]) == shared.run.held_out.path
    logs = (*shared.run.read_log(), *shared.run.held_out.read_log())
    seconds = sum(line["elapsed_seconds"] for line in logs)
    assert document["elapsed_seconds"] == pytest.approx(seconds, abs=2e-3)


@pytest.mark.parametrize("calls", [2, 4], ids=["first", "last"])
def test_an_interruption_of_either_training_is_resumed_to_the_same_weights(
    shared, run_training, tmp_path, monkeypatch, calls
):
    left = calls

    def interrupted(*args, **options):
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return train_epoch(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr("earmark.training.epochs.train_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_training("cut", REFIT)
    assert RunFolder(tmp_path / "cut").last.exists() == (calls == 4)
    cut = run_training("cut", REFIT)
    assert weights(cut) == weights(shared.run)
    assert weights(cut.held_out) == weights(shared.run.held_out)


def test_a_finished_run_gives_its_result_without_training(shared, monkeypatch):
    monkeypatch.delattr("earmark.training.epochs.train_epoch")
    again = train(shared.data, shared.run.path, settings(REFIT), device=CPU, store=shared.store)
    assert again == shared.result


def test_validation_clips_are_not_tested(shared):
    manifest = read_manifest(shared.data)
    exchanged = {"test": "validation", "validation": "test", "train": "train"}
    recordings = tuple(
        replace(one, split=exchanged[one.split or ""]) for one in manifest.recordings
    )
    with pytest.raises(DataError, match="validation"):
        evaluate_checkpoint(
            load_checkpoint(shared.run.best),
            replace(manifest, recordings=recordings),
            runtime=CPU,
            store_root=shared.store,
            run=shared.run.path,
        )


@pytest.mark.parametrize("other", ["train.patience=2", "train.refit=false"])
def test_a_begun_run_takes_no_other_settings(shared, copy_of_shared, run_training, other):
    copy_of_shared.last.unlink()
    with pytest.raises(TrainingError, match=f"settings .*{other.partition('=')[0]}"):
        run_training("copy", REFIT, other)
    assert weights(copy_of_shared.held_out) == weights(shared.run.held_out)


def test_overwriting_without_a_refit_removes_the_first_training(copy_of_shared, run_training):
    run_training("copy", "train.epochs=1", overwrite=True)
    assert not copy_of_shared.held_out.path.exists()


def test_a_run_of_its_own_below_another_is_not_taken_for_a_first_training(
    copy_of_shared, run_training
):
    outer = run_training("outer", "train.epochs=1")
    shutil.copytree(copy_of_shared.held_out.path, outer.held_out.path)
    run_training("outer", "train.epochs=1", overwrite=True)
    assert weights(outer.held_out) == weights(copy_of_shared.held_out)


def test_a_first_training_learns_from_the_first_training_of_its_teacher(shared, run_training):
    teacher = f'train.teachers=["{shared.run.path}"]'
    student = run_training("student", REFIT, teacher, "train.epochs=1")
    assert str(shared.run.held_out.path) in student.held_out.teachers.read_text()
    assert f"{shared.run.path}," in student.teachers.read_text()
    with pytest.raises(ConfigError, match=r"train\.teachers: .*held_out"):
        run_training("validated", teacher)


def test_seeds_are_compared_by_the_validation_of_their_first_trainings(shared, tmp_path):
    config = settings(REFIT, "train.epochs=1")
    found = train_seeds(shared.data, tmp_path / "seeds", 2, config, device=CPU, store=shared.store)
    losses = [one.held_out.validation["loss"] for one in found.runs]
    assert found.mean("loss") == pytest.approx(sum(losses) / 2)


def test_every_fold_of_a_cross_validation_is_refitted(shared, tmp_path):
    plan = Plan(num_folds=3, num_workers=1, folder=tmp_path / "cv", keep_models=True)
    config = settings(REFIT, "train.epochs=1")
    found = cross_validate(shared.data, plan, config, device=CPU, store=shared.store)
    runs = [FoldFolder(tmp_path / "cv").run(0, number) for number in (1, 2, 3)]
    tested = [splits(run)["test"] for run in runs]
    assert [set(one.clips) for one in found.results] == tested
    everything = set().union(*tested)
    assert [splits(run)["train"] for run in runs] == [everything - one for one in tested]
    assert all(run.held_out.best.exists() for run in runs)


def test_a_study_refits_no_trial_but_recommends_it(shared, tmp_path):
    space = 'tune.space={"train.learning_rate" = {low = 1e-3, high = 1e-2}}'
    config = settings(REFIT, "train.epochs=1", "tune.trials=1", space)
    study = tmp_path / "study"
    found = tune(shared.data, study, config, device=CPU, store=shared.store, num_workers=1)
    trial = RunFolder(study / "trials" / f"{found.best.number:04d}")
    assert not trial.held_out.path.exists()
    assert set(splits(trial)) == {"train", "validation"}
    assert load_config(study / "best.toml").train.refit
