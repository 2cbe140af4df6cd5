"""The second training of a refit begins beside the first, and its results stay the same."""

import os
import signal
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from earmark.config import load_config
from earmark.errors import EarmarkError, TrainingError
from earmark.inference.classifier import load_model
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime
from earmark.training import epochs, fitting, head_start
from earmark.training.state import Job
from earmark.training.train import train

CPU = Runtime(torch.device("cpu"))
SETTINGS = (
    "recipe.name=classic",
    *(f"model.blocks.{one}.channels=2" for one in range(4)),
    "train.crop_seconds=0.5",
    "train.batch_size=8",
    "train.epochs=5",
    "train.patience=5",
    "train.refit=true",
    "evaluate.baseline=false",
)
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_sounds):
    """Sounds, and a run whose trainings followed each other."""
    folder = tmp_path_factory.mktemp("apart")
    data = write_sounds(folder / "sounds")
    config = load_config(settings=SETTINGS)
    train(data, folder / "run", config, device=CPU, store=folder / "store")
    return SimpleNamespace(
        data=data, store=folder / "store", config=config, run=RunFolder(folder / "run")
    )


@pytest.fixture
def processors(monkeypatch):
    """Two processors, and no training that is too short."""
    monkeypatch.setattr(head_start, "default_num_workers", lambda: 2)
    monkeypatch.setattr(head_start.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(head_start, "WORTHWHILE_SECONDS", 0.0)


@pytest.fixture
def trained(shared, tmp_path):
    """A function that trains in a folder of the test."""

    def run():
        folder = tmp_path / "run"
        train(shared.data, folder, shared.config, device=CPU, store=shared.store)
        return RunFolder(folder)

    return run


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """Trained epochs of this process; the last one of the first training waits for the other."""
    seen, train_epoch = [], epochs.train_epoch
    last = RunFolder(tmp_path / "run").last

    def wait(*args):
        seen.append(args[-1])
        deadline = time.monotonic() + WAIT_SECONDS
        while args[-1] == 5 and len(seen) <= 5 and not last.exists():
            assert time.monotonic() < deadline, "the second training has not begun"
            time.sleep(0.01)
        return train_epoch(*args)

    monkeypatch.setattr(epochs, "train_epoch", wait)
    return seen


def files(run):
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for one in (run, run.held_out)
        for path in (one.best, one.last, *one.path.glob("validation.csv"))
    }


def test_the_second_training_goes_on_from_what_a_process_has_begun(
    shared, trained, processors, waiting
):
    run = trained()
    assert waiting[:5] == [1, 2, 3, 4, 5]
    assert waiting[5:] == list(range(waiting[5], 6)) != [1, 2, 3, 4, 5]
    assert files(run) == files(shared.run)
    assert [line["epoch"] for line in run.read_log()] == [1, 2, 3, 4, 5]
    assert not list(run.path.glob(".*"))


def test_until_the_first_training_has_ended_there_is_no_model(
    shared, tmp_path, trained, processors, waiting, monkeypatch
):
    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "add_novelty", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained()
    run = RunFolder(tmp_path / "run")
    assert run.last.exists()
    assert not run.best.exists()
    with pytest.raises(EarmarkError):
        load_model(run.path)
    assert files(trained()) == files(shared.run)


def killed(*args, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def failing(*args, **options):
    raise TrainingError("no")


@pytest.mark.parametrize("begin", [killed, failing])
def test_without_that_process_the_trainings_follow_each_other(
    shared, trained, processors, monkeypatch, begin
):
    monkeypatch.setattr(fitting, "_train_ahead", begin)
    assert files(trained()) == files(shared.run)


def test_without_processes_the_trainings_follow_each_other(
    shared, trained, processors, monkeypatch
):
    @contextmanager
    def pool(*args, **options):
        raise OSError("no shared memory")
        yield

    monkeypatch.setattr(head_start, "worker_pool", pool)
    assert files(trained()) == files(shared.run)


def test_linux_kills_the_process_first(monkeypatch, tmp_path):
    monkeypatch.setattr(head_start, "OOM_SCORE", tmp_path / "score")
    head_start.die_first()
    assert (tmp_path / "score").read_text() == "1000"
    monkeypatch.setattr(head_start, "OOM_SCORE", tmp_path / "none" / "score")
    head_start.die_first()


def test_all_epochs_but_the_last_are_trained_ahead(shared, tmp_path, trained, monkeypatch):
    first = SimpleNamespace(begin=None)

    def ahead(begin, *jobs):
        first.begin = begin
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "head_start", ahead)
        with pytest.raises(KeyboardInterrupt):
            trained()
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr(head_start, "OOM_SCORE", tmp_path / "score")
    for _ in range(2):
        first.begin()
        assert [line["epoch"] for line in run.read_log()] == [1, 2, 3, 4]
        assert not run.best.exists()
    assert files(trained()) == files(shared.run)


def job(num_threads=1, watch=None, device="cpu", world_size=1, run="none"):
    """A job without data."""
    config = load_config(settings=[f"train.num_threads={num_threads}", "train.epochs=100"])
    made = object.__new__(Job)
    parts = {
        "spec": SimpleNamespace(config=config),
        "watch": watch,
        "runtime": Runtime(torch.device(device), world_size=world_size),
        "run": RunFolder(Path(run)),
    }
    for name, value in parts.items():
        object.__setattr__(made, name, value)
    return made


@pytest.mark.parametrize(
    "second",
    [
        job(num_threads=2),
        job(watch=print),
        job(device="cuda"),
        job(world_size=2),
    ],
)
def test_nothing_is_begun_where_there_is_no_room(processors, second):
    with head_start.head_start(killed, job(watch=min), second) as watch:
        assert watch is min


def test_one_processor_is_not_divided(monkeypatch):
    monkeypatch.setattr(head_start, "default_num_workers", lambda: 1)
    assert head_start.most_threads(has_two_trainings=True) == 1
    with head_start.head_start(killed, job(watch=min), job()) as watch:
        assert watch is min


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ({"epoch": 1, "elapsed_seconds": 1.0}, True),
        ({"epoch": 1, "elapsed_seconds": 0.1}, False),
        ({"epoch": 90, "elapsed_seconds": 1.0}, False),
        ({"epoch": 100, "elapsed_seconds": 100.0}, False),
    ],
)
def test_it_begins_once_where_the_first_training_has_time_left(
    monkeypatch, processors, tmp_path, line, begins
):
    monkeypatch.setattr(head_start, "WORTHWHILE_SECONDS", 30.0)
    begun = []
    pool = SimpleNamespace(submit=begun.append)
    monkeypatch.setattr(head_start, "worker_pool", lambda *_, **__: nullcontext(pool))
    with head_start.head_start(killed, job(), job(run=tmp_path)) as watch:
        watch(line)
        watch(line)
    assert begun == [killed] * begins
