"""Every fold is tested once by an ordinary run without it, with any number of workers."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from earmark.config import load_config, with_settings
from earmark.config.layers import complete
from earmark.data.folds import hold_out, with_folds
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.tasks.task import MULTI_LABEL
from earmark.training.cross_validation import jobs
from earmark.training.cross_validation.folder import FoldFolder, teachers_of_fold
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.recipes.configure import Configured
from earmark.training.recipes.draft import Choice
from earmark.training.train import train

FAST = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.epochs=1",
    "evaluate.baseline=false",
)
CONFIG = load_config(settings=FAST)
CPU = Runtime(torch.device("cpu"))


@pytest.fixture
def logged(caplog):
    """Messages of a level and above, as they come."""
    caplog.set_level("INFO", "earmark")

    def messages(level="INFO"):
        least = logging.getLevelName(level)
        return [one.getMessage() for one in caplog.records if one.levelno >= least]

    return messages


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_clip):
    """DATA/{music,speech}/*.wav of 4 clips a label, its features and a cross-validation of it."""
    folder = tmp_path_factory.mktemp("shared")
    for label, kind in {"music": "tone", "speech": "noise"}.items():
        for index in range(4):
            seed = 2 * index + (label == "speech")
            write_clip(folder / "data" / label / f"{index}.wav", kind=kind, seed=seed)
    plan = Plan(num_folds=3, num_workers=1, folder=folder / "cv", keep_models=True)
    found = cross_validate(folder / "data", plan, CONFIG, device=CPU, store=folder / "store")
    return SimpleNamespace(
        data=folder / "data", store=folder / "store", folder=folder / "cv", found=found
    )


@pytest.fixture
def small_folder(shared, tmp_path):
    return shutil.copytree(shared.data, tmp_path / "small")


@pytest.fixture
def copy_of_shared(shared, tmp_path):
    """A function that copies the shared cross-validation, whose models were kept."""

    def copy(name, num_seeds=1):
        for seed in range(num_seeds):
            shutil.copytree(shared.folder, tmp_path / name, dirs_exist_ok=True)
            if seed:
                shutil.copytree(shared.folder / "seed0", tmp_path / name / f"seed{seed}")
        return tmp_path / name

    return copy


@pytest.fixture
def validated(shared, small_folder):
    """A function that cross-validates the small folder in three folds, in this process."""

    def run(config=CONFIG, manifest=None, store=None, **plan):
        return cross_validate(
            manifest or small_folder,
            Plan(**{"num_folds": 3, "num_workers": 1, **plan}),
            config,
            device=CPU,
            store=store or shared.store,
        )

    return run


@pytest.fixture
def runs_of(monkeypatch):
    """The seed and fold of every run from now on."""
    done = []
    run = jobs._run

    def counted(job):
        done.append((job.seed, job.fold))
        return run(job)

    monkeypatch.setattr(jobs, "_run", counted)
    return done


def remove_models(folder):
    for run in folder.glob("seed*/fold*/"):
        shutil.rmtree(run)


def logits(found):
    return {(one.seed, one.fold): (one.clips, one.logits) for one in found.results}


def test_every_recording_is_predicted_once_and_no_files_are_left(
    validated, small_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    found = validated()
    names = [one.name for one in read_manifest(small_folder).recordings]
    assert sorted(one.clip.name for one in found.predictions) == names
    assert [one.fold for one in found.results] == ["1", "2", "3"]
    assert list((tmp_path / "temporary").glob("earmark-*")) == []


def test_a_fold_without_a_usable_recording_is_named(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 4, 0)
    for one in data.recordings:
        if one.fold == "3":
            one.path.write_bytes(b"no sound")
    with pytest.raises(DataError, match="fold 3"):
        validated(manifest=data, num_folds=None)


def test_the_task_is_that_of_all_recordings(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 3, 0)
    (small_folder / "both.wav").write_bytes(b"no sound")
    both = replace(
        data.recordings[0],
        path=small_folder / "both.wav",
        name="both.wav",
        labels=("music", "speech"),
        group="both",
    )
    found = validated(manifest=replace(data, recordings=(*data.recordings, both)))
    assert found.task is MULTI_LABEL
    assert [one.path for one in found.skipped] == ["both.wav"]
    assert all(len(row) == 2 for _, rows in logits(found).values() for row in rows)


def test_a_fold_that_runs_out_of_memory_is_named_and_the_others_continue(validated, monkeypatch):
    run = jobs._run

    def greedy(job):
        if job.fold == "2":
            raise MemoryError
        return run(job)

    monkeypatch.setattr(jobs, "_run", greedy)
    found = validated()
    assert [(one.fold, one.error.partition(";")[0]) for one in found.failures] == [
        ("2", "out of memory")
    ]
    assert [one.fold for one in found.results] == ["1", "3"]


def test_a_fold_is_an_ordinary_run(shared, small_folder, tmp_path):
    found = shared.found
    manifest = hold_out(with_folds(read_manifest(small_folder), 3, 0), "2")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    runtime, run = Runtime(torch.device("cpu")), tmp_path / "run"
    train(manifest, run, CONFIG, device=runtime, store=tmp_path / "store")
    tested = evaluate_checkpoint(
        load_checkpoint(run), manifest, runtime=runtime, store_root=tmp_path / "store", run=run
    )
    torch.set_num_threads(before)
    assert found.results[1].clips == tuple(clip.name for clip in tested.predictions.clips)
    assert [list(row) for row in found.results[1].logits] == tested.predictions.logits.tolist()
    assert found.fold_scores[1].loss == tested.scores.loss


def test_labels_of_a_fold_do_not_leak_into_the_network_that_it_tests(
    validated, shared, small_folder
):
    data = with_folds(read_manifest(small_folder), 3, 0)
    other = {("music",): ("speech",), ("speech",): ("music",)}
    noisy = replace(
        data,
        recordings=tuple(
            replace(one, labels=other[one.labels]) if one.fold == "1" else one
            for one in data.recordings
        ),
    )
    plain, planted = shared.found, validated(manifest=noisy)
    assert logits(planted)[0, "1"] == logits(plain)[0, "1"]
    assert logits(planted)[0, "2"] != logits(plain)[0, "2"]
    num_clips = len(plain.results[0].clips)
    assert planted.results[0].num_correct == num_clips - plain.results[0].num_correct


def test_the_number_of_workers_does_not_change_the_predictions(validated, shared):
    assert logits(validated(num_workers=2)) == logits(shared.found)


def test_an_interrupted_cross_validation_is_resumed(
    validated, shared, tmp_path, runs_of, monkeypatch
):
    run = jobs._run

    def interrupted(job):
        if job.fold == "3":
            raise KeyboardInterrupt
        return run(job)

    monkeypatch.setattr(jobs, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        validated(folder=tmp_path / "cv")
    monkeypatch.setattr(jobs, "_run", run)
    assert runs_of == [(0, "1"), (0, "2")]
    found = validated(folder=tmp_path / "cv")
    assert runs_of == [(0, "1"), (0, "2"), (0, "3")]
    assert logits(found) == logits(shared.found)
    assert json.loads((tmp_path / "cv" / "result.json").read_text()) == found.to_dict()
    assert (tmp_path / "cv" / "predictions.csv").read_text() == found.to_csv()
    assert not list(tmp_path.glob("cv/seed0/fold*/"))


@pytest.mark.slow
def test_a_killed_command_is_resumed(validated, small_folder, tmp_path):
    folder = tmp_path / "cv"
    settings = [part for one in (*FAST, "train.epochs=40") for part in ("--set", one)]
    command = [
        *(sys.executable, "-m", "earmark", "cross-validate", small_folder, "-o", folder),
        *("--folds", "3", "--workers", "1", "--device", "cpu", "--store", tmp_path / "store"),
        *settings,
    ]
    process = subprocess.Popen([str(one) for one in command], stderr=subprocess.DEVNULL)
    while not (folder / "seed0" / "fold2" / "last.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    config = load_config(settings=[*FAST, "train.epochs=40"])
    assert logits(validated(config, folder=folder)) == logits(validated(config))


def test_seeds_share_the_folds_and_can_be_added(validated, copy_of_shared, runs_of):
    found = validated(folder=copy_of_shared("cv"), num_seeds=2)
    assert runs_of == [(1, fold) for fold in ("1", "2", "3")]
    clips = {(one.seed, one.fold): one.clips for one in found.results}
    assert all(clips[0, fold] == clips[1, fold] for fold in ("1", "2", "3"))
    assert logits(found)[0, "1"] != logits(found)[1, "1"]
    assert Counter(one.clip.name for one in found.predictions).most_common()[-1][1] == 2


def test_seeds_start_at_that_of_training(validated, monkeypatch):
    seeds = []

    def fail(job):
        seeds.append(job.seed)
        raise TrainingError("not trained")

    monkeypatch.setattr(jobs, "_run", fail)
    with pytest.raises(TrainingError, match="seed 7"):
        validated(load_config(settings=[*FAST, "train.seed=7"]), num_seeds=2)
    assert seeds == [7, 7, 7, 8, 8, 8]


def test_a_folder_of_another_cross_validation_is_refused(validated, copy_of_shared, runs_of):
    folder = copy_of_shared("cv")
    other = load_config(settings=[*FAST, "train.learning_rate=0.01"])
    with pytest.raises(TrainingError, match=r"cv: .*settings"):
        validated(other, folder=folder)
    with pytest.raises(TrainingError, match=r"cv: .*data"):
        validated(folder=folder, num_folds=4)
    assert runs_of == []
    validated(other, folder=folder, overwrite=True)
    assert len(runs_of) == 3


def test_a_folder_with_files_of_others_is_refused(validated, small_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("# mine\n")
    with pytest.raises(TrainingError, match="run: "):
        validated(folder=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "config.toml").read_text() == "# mine\n"
    with pytest.raises(TrainingError, match="cv: "):
        validated(folder=small_folder / "cv")


def test_models_are_kept_if_keep_models_is_set(validated, copy_of_shared, tmp_path, runs_of):
    remove_models(copy_of_shared("cv"))
    found = validated(folder=tmp_path / "cv", keep_models=True)
    assert len(runs_of) == 3
    model = load_checkpoint(tmp_path / "cv" / "seed0" / "fold3")
    assert model.progress["epoch"] == found.results[2].best_epoch
    validated(folder=tmp_path / "cv", keep_models=True)
    assert len(runs_of) == 3


def test_the_teachers_of_a_fold_are_the_models_of_that_fold(
    validated, shared, copy_of_shared, tmp_path
):
    copy_of_shared("teachers", num_seeds=2)
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    found = validated(taught, folder=tmp_path / "cv", keep_models=True)
    assert logits(found) != logits(shared.found)
    for number in (1, 2, 3):
        spec = load_checkpoint(tmp_path / "cv" / "seed0" / f"fold{number}").spec
        assert spec.config.train.teachers == tuple(
            str(tmp_path / "teachers" / f"seed{seed}" / f"fold{number}") for seed in (0, 1)
        )


def test_a_teacher_that_was_not_kept_fails_before_any_fold(
    validated, copy_of_shared, tmp_path, runs_of
):
    remove_models(copy_of_shared("teachers"))
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    with pytest.raises(TrainingError, match=r"teachers: .*seed 0 .*fold 1"):
        validated(taught)
    assert runs_of == []


def test_a_cross_validation_cannot_be_its_own_teacher(validated, copy_of_shared, tmp_path):
    copy_of_shared("cv")
    taught = CONFIG.with_train(teachers=(str(tmp_path / "cv"),))
    for overwrite in (False, True):
        with pytest.raises(TrainingError, match=r"cv: .*cv"):
            validated(taught, folder=tmp_path / "cv", keep_models=True, overwrite=overwrite)
    assert (tmp_path / "cv" / "seed0" / "fold3" / "best.safetensors").exists()


def test_more_teachers_are_another_cross_validation(validated, copy_of_shared, tmp_path):
    copy_of_shared("teachers")
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    validated(taught, folder=tmp_path / "cv")
    shutil.copytree(tmp_path / "teachers" / "seed0", tmp_path / "teachers" / "seed1")
    with pytest.raises(TrainingError, match=r"cv: "):
        validated(taught, folder=tmp_path / "cv", num_seeds=2)
    changed = teachers_of_fold(taught.train.teachers, 1)
    FoldFolder(tmp_path / "cv").open(taught, "", changed, overwrite=True)
    assert not list((tmp_path / "cv").glob("seed*"))


def test_teachers_from_other_folds_are_refused(validated, copy_of_shared, tmp_path):
    copy_of_shared("teachers")
    redrawn = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),), split_seed=1)
    with pytest.raises(TrainingError, match=r"seed 0, fold 1: train\.teachers: .*\.wav"):
        validated(redrawn)


def test_a_fold_that_fails_is_named_and_the_others_continue(validated, monkeypatch, logged):
    run = jobs.run_training

    def failing(manifest, *rest, **options):
        if {one.fold for one in manifest.split("test")} == {"2"}:
            raise TrainingError("the training loss is nan")
        return run(manifest, *rest, **options)

    monkeypatch.setattr(jobs, "run_training", failing)
    found = validated()
    assert [one.fold for one in found.results] == ["1", "3"]
    assert [(one.fold, one.error) for one in found.failures] == [("2", "the training loss is nan")]
    (warning,) = logged("WARNING")
    assert "fold 2" in warning
    assert "the training loss is nan" in warning


def test_failure_of_all_folds_is_an_error(validated):
    with pytest.raises(TrainingError, match=r"seed 0, fold 1: .*train\.learning_rate"):
        validated(load_config(settings=[*FAST, "train.learning_rate=1e30"]))


def test_a_recording_that_cannot_be_used_is_named_once(validated, small_folder, logged):
    (small_folder / "music" / "bad.wav").write_text("text")
    found = validated()
    assert [one.path for one in found.skipped] == ["music/bad.wav"]
    assert found.to_dict()["num_clips"] == 8
    assert sum("bad.wav" in line for line in logged("WARNING")) == 1


def test_the_same_sound_in_two_folds_is_refused(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 3, 0)
    first, *rest = (one for one in data.recordings if one.labels == ("music",))
    copy = next(one for one in rest if one.fold != first.fold)
    shutil.copy(first.path, copy.path)
    with pytest.raises(DataError, match=rf"{first.name}.*{copy.name}|{copy.name}.*{first.name}"):
        validated()


def test_excerpts_are_tested_in_every_fold(validated):
    found = validated(load_config(settings=[*FAST, "evaluate.excerpt_seconds=0.4"]))
    assert found.excerpts.num_excerpts == 2 * 8
    assert all("excerpts" in one for one in found.to_dict()["folds"])


def test_plans_without_a_needed_folder_are_refused(validated, small_folder):
    with pytest.raises(ConfigError, match=r"--keep-models: .*-o"):
        validated(keep_models=True)
    with pytest.raises(ConfigError, match=r"--overwrite: .*-o"):
        validated(overwrite=True)
    several = Runtime(torch.device("cpu"), rank=0, world_size=2)
    with pytest.raises(ConfigError, match="torchrun"):
        cross_validate(small_folder, Plan(), CONFIG, device=several)


def test_data_folds_and_results_are_logged(validated, sound_folder, logged):
    validated(manifest=read_manifest(sound_folder))
    for words in ("12 music, 12 speech", "3 folds", "split_seed 0", "splits", "seed 0  fold 3  "):
        assert any(words in line for line in logged()), words


def test_a_missing_teacher_fails_before_features_are_computed(validated, tmp_path, runs_of):
    taught = CONFIG.with_train(teachers=(str(tmp_path / "nowhere"),))
    with pytest.raises(ConfigError, match=r"train\.teachers: .*nowhere"):
        validated(taught, folder=tmp_path / "cv", store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "cv").exists()
    assert runs_of == []


def test_data_settings_and_store_may_be_paths(small_folder, copy_of_shared, tmp_path, runs_of):
    (tmp_path / "config.toml").write_text(CONFIG.to_toml())
    found = cross_validate(
        str(small_folder),
        Plan(num_folds=3, folder=copy_of_shared("cv")),
        str(tmp_path / "config.toml"),
        device="cpu",
        store=str(tmp_path / "store"),
    )
    assert len(found.results) == 3
    assert runs_of == []


@pytest.mark.parametrize("wrong", [{"num_seeds": 0}, {"num_folds": -1}, {"num_workers": 0}])
def test_a_plan_with_a_wrong_number_is_refused(wrong, tmp_path):
    (name,) = wrong
    with pytest.raises(ConfigError, match=name):
        cross_validate(tmp_path, Plan(**wrong))


def test_a_number_is_that_of_the_folds(tmp_path):
    with pytest.raises(ConfigError, match="num_folds = 0"):
        cross_validate(tmp_path, 0)


def test_each_fold_chooses_from_the_others_and_its_settings_are_kept(
    tmp_path, flat_folder, monkeypatch
):
    """The folds differ in their front end, so features are computed for each."""
    seen = []

    def configure(part, config, **_):
        tested = {one.fold for one in part.recordings if one.split == "test"}
        seen.append(tested)
        bands = 8 + 4 * len(seen)
        chosen = with_settings(config, {"features.n_mels": bands + 8, "recipe.rules": False})
        choice = Choice("features.n_mels", bands + 8, "Enough.")
        return Configured(complete(chosen), (choice,))

    monkeypatch.setattr("earmark.training.cross_validation.settings.configure", configure)
    small = ("model.blocks=[{channels=2}]", "train.crop_seconds=0.5", "train.epochs=1")
    plan = Plan(3, num_workers=1, folder=tmp_path / "cv")
    config = load_config(settings=small)
    found = cross_validate(flat_folder, plan, config, device=CPU, store=tmp_path / "store")
    assert len(found.results) == 3
    assert sorted(seen, key=sorted) == [{"1"}, {"2"}, {"3"}]
    files = [plan.folder / f"fold{number}.toml" for number in (1, 2, 3)]
    assert [load_config(one).features.n_mels for one in files] == [20, 24, 28]
    assert "# Enough." in files[0].read_text()
    # One that goes on keeps the settings that its folds began with.
    (plan.folder / "seed0" / "fold2.json").unlink()
    again = cross_validate(flat_folder, plan, config, device=CPU, store=tmp_path / "store")
    assert len(seen) == 3
    assert [one.logits for one in again.results] == [one.logits for one in found.results]
