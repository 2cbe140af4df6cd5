"""Every fold is tested by an ordinary run that has not seen it, once, however it is run."""

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

import pytest
import torch

from earmark.config import load_config
from earmark.data.folds import hold_out, with_folds
from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError, TrainingError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.runtime import Runtime
from earmark.tasks.task import MULTI_LABEL
from earmark.training.cross_validation import jobs
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.train import train

FAST = ("model.blocks.0.channels=2", "train.crop_seconds=0.5", "train.epochs=1")
CONFIG = load_config(settings=FAST)


@pytest.fixture
def logged(caplog):
    """Messages of a level and above, as they come."""
    caplog.set_level("INFO", "earmark")

    def messages(level="INFO"):
        least = logging.getLevelName(level)
        return [one.getMessage() for one in caplog.records if one.levelno >= least]

    return messages


@pytest.fixture
def small_folder(tmp_path, write_clip):
    """SMALL/{music,speech}/*.wav: 4 clips a label."""
    for label, kind in {"music": "tone", "speech": "noise"}.items():
        for index in range(4):
            seed = 2 * index + (label == "speech")
            write_clip(tmp_path / "small" / label / f"{index}.wav", kind=kind, seed=seed)
    return tmp_path / "small"


@pytest.fixture
def validated(tmp_path, small_folder):
    """A function that cross-validates the small folder in three folds, in this process."""

    def run(config=CONFIG, manifest=None, **plan):
        return cross_validate(
            manifest or read_manifest(small_folder),
            config,
            Plan(**{"num_folds": 3, "num_workers": 1, **plan}),
            runtime=Runtime(torch.device("cpu")),
            store_root=tmp_path / "store",
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


def logits(found):
    return {(one.seed, one.fold): (one.clips, one.logits) for one in found.results}


def test_every_recording_is_judged_once_and_nothing_is_left_behind(
    validated, small_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    found = validated()
    names = [one.name for one in read_manifest(small_folder).recordings]
    assert sorted(one.clip.name for one in found.judgements) == names
    assert [one.fold for one in found.results] == ["1", "2", "3"]
    assert list((tmp_path / "temporary").glob("earmark-*")) == []


def test_a_fold_of_which_nothing_can_be_used_is_named(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 4, 0)
    for one in data.recordings:
        if one.fold == "3":
            one.path.write_bytes(b"no sound")
    with pytest.raises(DataError, match="no recording of fold 3 can be used"):
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
    assert [one.name for one in found.skipped] == ["both.wav"]
    assert all(len(row) == 2 for _, rows in logits(found).values() for row in rows)


def test_a_fold_without_memory_is_named_and_the_others_go_on(validated, monkeypatch):
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


def test_a_fold_is_an_ordinary_run(validated, small_folder, tmp_path):
    found = validated()
    manifest = hold_out(with_folds(read_manifest(small_folder), 3, 0), "2")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    runtime, run = Runtime(torch.device("cpu")), tmp_path / "run"
    train(manifest, run, CONFIG, runtime=runtime, store_root=tmp_path / "store")
    tested = evaluate_checkpoint(
        load_checkpoint(run), manifest, runtime=runtime, store_root=tmp_path / "store", run=run
    )
    torch.set_num_threads(before)
    assert found.results[1].clips == tuple(clip.name for clip in tested.predictions.clips)
    assert [list(row) for row in found.results[1].logits] == tested.predictions.logits.tolist()
    assert found.fold_scores[1].loss == tested.scores.loss


def test_the_labels_of_a_fold_do_not_reach_the_network_that_it_tests(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 3, 0)
    other = {("music",): ("speech",), ("speech",): ("music",)}
    noisy = replace(
        data,
        recordings=tuple(
            replace(one, labels=other[one.labels]) if one.fold == "1" else one
            for one in data.recordings
        ),
    )
    plain, planted = validated(manifest=data), validated(manifest=noisy)
    assert logits(planted)[0, "1"] == logits(plain)[0, "1"]
    assert logits(planted)[0, "2"] != logits(plain)[0, "2"]
    num_clips = len(plain.results[0].clips)
    assert planted.results[0].num_correct == num_clips - plain.results[0].num_correct


def test_the_number_of_workers_does_not_change_the_predictions(validated):
    assert logits(validated(num_workers=2)) == logits(validated(num_workers=1))


def test_the_threads_of_the_caller_are_as_they_were(validated):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        validated()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_interrupted_cross_validation_goes_on(validated, tmp_path, runs_of, monkeypatch):
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
    assert logits(found) == logits(validated())
    assert json.loads((tmp_path / "cv" / "result.json").read_text()) == found.to_dict()
    assert (tmp_path / "cv" / "predictions.csv").read_text() == found.to_csv()
    assert not list(tmp_path.glob("cv/seed0/fold*/"))


def test_a_command_that_was_killed_goes_on(validated, small_folder, tmp_path):
    folder = tmp_path / "cv"
    settings = [part for one in (*FAST[:2], "train.epochs=40") for part in ("--set", one)]
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
    config = load_config(settings=[*FAST[:2], "train.epochs=40"])
    assert logits(validated(config, folder=folder)) == logits(validated(config))


def test_seeds_share_the_folds_and_more_of_them_go_on(validated, tmp_path, runs_of):
    validated(folder=tmp_path / "cv")
    found = validated(folder=tmp_path / "cv", num_seeds=2)
    assert runs_of == [(seed, fold) for seed in (0, 1) for fold in ("1", "2", "3")]
    clips = {(one.seed, one.fold): one.clips for one in found.results}
    assert all(clips[0, fold] == clips[1, fold] for fold in ("1", "2", "3"))
    assert logits(found)[0, "1"] != logits(found)[1, "1"]
    assert Counter(one.clip.name for one in found.judgements).most_common()[-1][1] == 2


def test_seeds_start_at_that_of_training(validated):
    found = validated(load_config(settings=[*FAST, "train.seed=7"]), num_seeds=2)
    assert sorted(found.seed_scores) == [7, 8]


def test_a_folder_of_another_cross_validation_is_refused(validated, tmp_path, runs_of):
    folder = tmp_path / "cv"
    validated(folder=folder)
    other = load_config(settings=[*FAST, "train.learning_rate=0.01"])
    with pytest.raises(TrainingError, match=r"holds another cross-validation \(settings differ\)"):
        validated(other, folder=folder)
    with pytest.raises(TrainingError, match=r"\(the data or the folds differ\)"):
        validated(folder=folder, num_folds=4)
    assert len(runs_of) == 3
    validated(other, folder=folder, overwrite=True)
    assert len(runs_of) == 6


def test_a_folder_with_files_of_others_is_refused(validated, small_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("# mine\n")
    with pytest.raises(TrainingError, match="not those of a cross-validation"):
        validated(folder=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "config.toml").read_text() == "# mine\n"
    with pytest.raises(TrainingError, match="lies in the data folder"):
        validated(folder=small_folder / "cv")


def test_models_are_kept_when_asked_for(validated, tmp_path, runs_of):
    validated(folder=tmp_path / "cv")
    found = validated(folder=tmp_path / "cv", keep_models=True)
    assert len(runs_of) == 6
    model = load_checkpoint(tmp_path / "cv" / "seed0" / "fold3")
    assert model.progress["epoch"] == found.results[2].best_epoch
    validated(folder=tmp_path / "cv", keep_models=True)
    assert len(runs_of) == 6


def test_a_fold_is_taught_by_the_models_of_that_fold(validated, tmp_path):
    validated(folder=tmp_path / "teachers", num_seeds=2, keep_models=True)
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    found = validated(taught, folder=tmp_path / "cv", keep_models=True)
    assert logits(found) != logits(validated())
    for number in (1, 2, 3):
        spec = load_checkpoint(tmp_path / "cv" / "seed0" / f"fold{number}").spec
        assert spec.config.train.teachers == tuple(
            str(tmp_path / "teachers" / f"seed{seed}" / f"fold{number}") for seed in (0, 1)
        )


def test_teachers_of_a_fold_that_were_not_kept_are_missed_before_any_work(
    validated, tmp_path, runs_of
):
    validated(folder=tmp_path / "teachers")
    done = len(runs_of)
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    with pytest.raises(TrainingError, match=r"teachers: no model of seed 0 is there for fold 1;"):
        validated(taught)
    assert len(runs_of) == done


def test_a_cross_validation_does_not_teach_itself(validated, tmp_path):
    validated(folder=tmp_path / "cv", keep_models=True)
    taught = CONFIG.with_train(teachers=(str(tmp_path / "cv"),))
    for overwrite in (False, True):
        with pytest.raises(TrainingError, match=r"cv: holds the teacher .*cv; choose another"):
            validated(taught, folder=tmp_path / "cv", keep_models=True, overwrite=overwrite)
    assert (tmp_path / "cv" / "seed0" / "fold3" / "best.safetensors").exists()


def test_more_teachers_are_another_cross_validation(validated, tmp_path):
    validated(folder=tmp_path / "teachers", keep_models=True)
    taught = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),))
    validated(taught, folder=tmp_path / "cv")
    validated(folder=tmp_path / "teachers", keep_models=True, num_seeds=2)
    with pytest.raises(TrainingError, match=r"another cross-validation \(the teachers have chang"):
        validated(taught, folder=tmp_path / "cv", num_seeds=2)
    validated(taught, folder=tmp_path / "cv", overwrite=True)


def test_teachers_from_other_folds_are_refused(validated, tmp_path):
    validated(folder=tmp_path / "teachers", keep_models=True)
    redrawn = CONFIG.with_train(teachers=(str(tmp_path / "teachers"),), split_seed=1)
    with pytest.raises(TrainingError, match=r"every fold failed; .* saw .*\.wav in its"):
        validated(redrawn)


def test_a_fold_that_fails_is_named_and_the_others_go_on(validated, monkeypatch, logged):
    run = jobs.train

    def failing(manifest, *rest, **options):
        if {one.fold for one in manifest.split("test")} == {"2"}:
            raise TrainingError("the training loss is nan")
        return run(manifest, *rest, **options)

    monkeypatch.setattr(jobs, "train", failing)
    found = validated()
    assert [one.fold for one in found.results] == ["1", "3"]
    assert [(one.fold, one.error) for one in found.failures] == [("2", "the training loss is nan")]
    assert logged("WARNING") == ["seed 0  fold 2: the training loss is nan"]


def test_nothing_but_failures_is_an_error(validated):
    with pytest.raises(TrainingError, match=r"every fold failed; seed 0, fold 1: the .* lower"):
        validated(load_config(settings=[*FAST, "train.learning_rate=1e30"]))


def test_a_recording_that_cannot_be_used_is_named_once(validated, small_folder, logged):
    (small_folder / "music" / "bad.wav").write_text("text")
    found = validated()
    assert [one.name for one in found.skipped] == ["music/bad.wav"]
    assert found.to_dict()["num_clips"] == 8
    assert sum("bad.wav" in line for line in logged("WARNING")) == 1


def test_the_same_sound_in_two_folds_is_refused(validated, small_folder):
    data = with_folds(read_manifest(small_folder), 3, 0)
    first, *rest = (one for one in data.recordings if one.labels == ("music",))
    copy = next(one for one in rest if one.fold != first.fold)
    shutil.copy(first.path, copy.path)
    message = f"2 recordings have the same content as others in another fold: .*{copy.name}"
    with pytest.raises(DataError, match=message):
        validated()


def test_excerpts_are_scored_in_every_fold(validated):
    found = validated(load_config(settings=[*FAST, "evaluate.excerpt_seconds=0.4"]))
    assert found.excerpts.num_excerpts == 2 * 8
    assert all("excerpts" in one for one in found.to_dict()["folds"])


def test_plans_that_cannot_be_carried_out_are_refused(validated, small_folder):
    with pytest.raises(ConfigError, match="--keep-models: say where with -o"):
        validated(keep_models=True)
    with pytest.raises(ConfigError, match="--overwrite: say where with -o"):
        validated(overwrite=True)
    several = Runtime(torch.device("cpu"), rank=0, world_size=2)
    with pytest.raises(ConfigError, match="without torchrun"):
        cross_validate(read_manifest(small_folder), CONFIG, Plan(), runtime=several)


def test_what_is_assumed_is_said_aloud(validated, sound_folder, logged):
    validated(manifest=read_manifest(sound_folder))
    assert "data: 12 music, 12 speech" in logged()
    assert "note: 3 folds by group, drawn with split_seed 0" in logged()
    assert any("splits of the data are not used" in line for line in logged())
    assert any(line.startswith("seed 0  fold 3  ") for line in logged())
