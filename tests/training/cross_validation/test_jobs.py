"""Folds in this process: one thread each, and errors that end one fold only."""

from pathlib import Path

import pytest
import torch

from earmark.config import Config
from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.training.cross_validation import jobs
from earmark.training.cross_validation.fold_result import FoldFailure
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.cross_validation.jobs import FoldJob, run_jobs

JOB = FoldJob(
    seed=3,
    fold="2",
    number=2,
    manifest=Manifest(Path("data"), (), ("music", "speech")),
    config=Config(),
    folder=FoldFolder(Path("cv")),
    keep_models=False,
    fits_baseline=False,
    device="cpu",
    store=Path("store"),
)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_fold_has_one_thread_and_the_threads_of_the_caller_are_restored(two_threads, monkeypatch):
    one_thread = FoldFailure(3, "2", "1 threads")
    monkeypatch.setattr(
        jobs, "_attempt", lambda job: FoldFailure(3, "2", f"{torch.get_num_threads()} threads")
    )
    assert list(run_jobs([JOB, JOB], 1)) == [one_thread] * 2
    assert torch.get_num_threads() == 2


def test_threads_are_restored_after_an_interruption(two_threads, monkeypatch):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs([JOB], 1))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [DataError("no clips"), MemoryError()])
def test_an_error_of_a_fold_is_a_failure(monkeypatch, error):
    def fail(job):
        raise error

    monkeypatch.setattr(jobs, "_run", fail)
    (outcome,) = run_jobs([JOB], 1)
    assert isinstance(outcome, FoldFailure)
    assert (outcome.seed, outcome.fold) == (3, "2")


def test_a_bug_ends_the_cross_validation(monkeypatch):
    def bug(job):
        raise KeyError("bug")

    monkeypatch.setattr(jobs, "_run", bug)
    with pytest.raises(KeyError):
        list(run_jobs([JOB], 1))
