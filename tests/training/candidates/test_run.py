"""A search by budget, and the network that it leaves."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch

from earmark.config import load_config
from earmark.errors import TrainingError
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime, cpu_threads
from earmark.training.candidates import jobs
from earmark.training.candidates import run as search_run
from earmark.training.candidates.choice import Ensemble
from earmark.training.candidates.record import read_search
from earmark.training.cross_validation.run import Plan, cross_validate
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
LIMIT = 1500
SMALL = (
    "features.sample_rate=8000",
    "features.n_mels=16",
    "features.hop_length=320",
    "train.crop_seconds=0.5",
    "train.epochs=1",
    "train.precision=float32",
    "augment.frequency_masks=0",
    "augment.time_masks=0",
    "evaluate.baseline=false",
    f"recipe.parameters={LIMIT}",
)
BUDGET = "recipe.minutes=5"
GIVEN_AUGMENT = tuple(
    f"augment.{key}=0.0" for key in ("frequency_warp", "filter_db", "noise", "gain_db")
)


def settings(*more):
    """Leaves `deeper` and `wider` to compare with the rules."""
    return load_config(settings=[*SMALL, *GIVEN_AUGMENT, *more])


@pytest.fixture(autouse=True)
def one_thread():
    """So that this process trains the candidates itself."""
    with cpu_threads(1):
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_sounds):
    """Sounds with splits, and a run after a search in which large networks teach a small one."""
    folder = tmp_path_factory.mktemp("search")
    data, store = write_sounds(folder / "sounds"), folder / "store"
    with pytest.MonkeyPatch.context() as patch, cpu_threads(1):
        choose_large(patch)
        result = train(data, folder / "run", settings(BUDGET), device=CPU, store=store)
    return SimpleNamespace(data=data, store=store, run=RunFolder(folder / "run"), result=result)


def choose_large(patch):
    """Lets the two large networks be the best, whatever they have learned in an epoch."""
    found = Ensemble(("wider", "deeper"), 0.1)
    patch.setattr(search_run, "choose_members", lambda validated: found)


def run(shared, path, *more, **options):
    return train(shared.data, path, settings(*more), device=CPU, store=shared.store, **options)


def weights(folder):
    return load_checkpoint(folder.best).model


def test_large_networks_teach_one_within_the_budget(shared):
    assert shared.result.num_parameters <= LIMIT
    table = shared.run.read_settings()
    teachers = [str(shared.run.candidates / name) for name in ("wider", "deeper")]
    assert table["train"]["teachers"] == teachers
    assert "train.teachers" in [one.setting for one in shared.result.choices]
    outcomes = read_search(shared.run).trained()
    assert all(outcomes[name].num_parameters > LIMIT for name in ("wider", "deeper"))


def test_teachers_of_the_last_training_have_seen_all_clips_and_the_first_ones_have_not(shared):
    assert table_of_teachers(shared.run) == ["wider", "deeper"]
    first = shared.run.held_out.read_settings()["train"]["teachers"]
    assert first == [str(shared.run.candidates / one / "held_out") for one in ("wider", "deeper")]
    for name in ("wider", "deeper"):
        folder = RunFolder(shared.run.candidates / name)
        assert folder.is_refit
        splits = {row["split"] for row in folder.held_out.read_recordings()}
        assert splits == {"train", "validation", "test"}
        assert {row["split"] for row in folder.read_recordings()} == {"train", "test"}


def table_of_teachers(folder):
    return [name.rpartition("/")[2] for name in folder.read_settings()["train"]["teachers"]]


def test_results_have_their_keys(shared):
    document = json.loads(json.dumps(shared.result.to_dict()))["candidates"]
    assert [one["name"] for one in document["candidates"]] == ["rules", "deeper", "wider"]
    keys = {"name", "reason", "state", "loss", "accuracy", "minutes", "num_parameters", "chosen"}
    assert all(keys <= set(one) for one in document["candidates"])
    assert [one["chosen"] for one in document["candidates"]] == [False, True, True]
    assert document["choice"]["members"] == ["wider", "deeper"]
    assert document["choice"]["refits_teachers"]
    assert len(shared.result.candidates.table()) == 4
    used = [shared.result.candidates.choice.uses(one["name"]) for one in document["candidates"]]
    assert [("settings" in one, "teacher" in one) for one in used] == [
        (True, False),
        (False, True),
        (False, True),
    ]


def test_the_same_command_searches_no_more(shared, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "fit_network", None)
    again = run(shared, shared.run.path, BUDGET)
    assert again.candidates == shared.result.candidates
    assert again.choices == shared.result.choices


@pytest.mark.parametrize("number", [pytest.param(2, marks=pytest.mark.slow), 5])
def test_a_search_that_is_interrupted_gives_the_same_weights(shared, tmp_path, monkeypatch, number):
    calls = []
    fit = jobs.fit_network

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return fit(*arguments)

    choose_large(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "fit_network", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(shared, tmp_path / "run", BUDGET)
    before = read_search(RunFolder(tmp_path / "run")).outcomes
    result = run(shared, tmp_path / "run", BUDGET)
    # What has ended is not trained again.
    assert result.candidates.outcomes[: len(before)] == before
    expected, found = weights(shared.run), weights(RunFolder(tmp_path / "run"))
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_other_settings_are_another_search(shared, tmp_path):
    folder = RunFolder(shutil.copytree(shared.run.path, tmp_path / "run"))
    for file in (folder.last, folder.held_out.last):
        file.unlink()
    with pytest.raises(TrainingError):
        run(shared, folder.path, BUDGET, "train.seed=1")


def test_overwriting_removes_the_search(shared, tmp_path):
    folder = RunFolder(shutil.copytree(shared.run.path, tmp_path / "run"))
    result = run(shared, folder.path, overwrite=True)
    assert result.candidates is None
    assert not folder.search.exists()
    assert not list(folder.candidates.iterdir())


@pytest.mark.slow
def test_processes_train_what_one_does(shared, tmp_path, monkeypatch):
    choose_large(monkeypatch)
    monkeypatch.setattr(search_run._Step, "_num_workers", lambda self: 2)
    run(shared, tmp_path / "run", BUDGET)
    expected, found = weights(shared.run), weights(RunFolder(tmp_path / "run"))
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.slow
def test_every_fold_searches_for_itself(shared, tmp_path, flat_folder, monkeypatch):
    choose_large(monkeypatch)
    plan = Plan(3, num_workers=1, folder=tmp_path / "cv", keep_models=True)
    cross_validate(flat_folder, plan, settings(BUDGET), device=CPU, store=tmp_path / "store")
    for number in (1, 2, 3):
        fold = RunFolder(tmp_path / "cv" / "seed0" / f"fold{number}")
        found = read_search(fold)
        assert (found.num_workers, found.choice.are_teachers) == (1, True)
        held_out = {row["key"] for row in fold.read_recordings() if row["split"] == "test"}
        for name in found.choice.members:
            seen = RunFolder(fold.candidates / name).read_recordings()
            assert not held_out & {row["key"] for row in seen if row["split"] != "test"} - {""}
