"""Folds in this process: one thread each, and errors that end one fold only."""

from dataclasses import replace
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
def job(tmp_path):
    return replace(JOB, folder=FoldFolder(tmp_path / "cv"))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_fold_has_one_thread_and_the_threads_of_the_caller_are_restored(
    two_threads, job, monkeypatch
):
    one_thread = FoldFailure(3, "2", "1 threads")
    monkeypatch.setattr(
        jobs, "_attempt", lambda job: FoldFailure(3, "2", f"{torch.get_num_threads()} threads")
    )
    assert list(run_jobs([job, job], 1)) == [one_thread] * 2
    assert torch.get_num_threads() == 2


def test_threads_are_restored_after_an_interruption(two_threads, job, monkeypatch):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs([job], 1))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("error", [DataError("no clips"), MemoryError()])
def test_an_error_of_a_fold_is_a_failure(monkeypatch, job, error):
    def fail(job):
        raise error

    monkeypatch.setattr(jobs, "_run", fail)
    (outcome,) = run_jobs([job], 1)
    assert isinstance(outcome, FoldFailure)
    assert (outcome.seed, outcome.fold) == (3, "2")


def test_a_bug_ends_the_cross_validation(monkeypatch, job):
    def bug(job):
        raise KeyError("bug")

    monkeypatch.setattr(jobs, "_run", bug)
    with pytest.raises(KeyError):
        list(run_jobs([job], 1))


@pytest.fixture
def trained(monkeypatch):
    """The folds that this process has trained; their results are written."""
    numbers = []

    def run(one):
        numbers.append(one.number)
        return FoldFailure(one.seed, one.fold, "this process")

    def read(one):
        table = one.folder.read_fold(one.seed, one.number)
        return table and FoldFailure(one.seed, one.fold, table["by"])

    monkeypatch.setattr(jobs, "_run", run)
    monkeypatch.setattr(jobs, "read_kept", read)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0)
    return numbers


def test_the_result_of_a_fold_that_another_process_trains_is_waited_for(job, trained, monkeypatch):
    other = replace(job, fold="3", number=3)
    claim = job.folder.claim(3, 2)
    claim.__enter__()

    def finish(_):
        job.folder.fold_file(3, 2).write_text('{"by": "another process"}')
        claim.__exit__(None, None, None)

    monkeypatch.setattr(jobs.time, "sleep", finish)
    outcomes = [(one.fold, one.error) for one in run_jobs([job, other], 1)]
    assert outcomes == [("3", "this process"), ("2", "another process")]
    assert trained == [3]


def test_a_fold_whose_process_has_died_is_trained_here(job, trained, monkeypatch):
    claim = job.folder.claim(3, 2)
    claim.__enter__()
    monkeypatch.setattr(jobs.time, "sleep", lambda _: claim.__exit__(None, None, None))
    assert [one.error for one in run_jobs([job], 1)] == ["this process"]
    assert trained == [2]


def test_a_fold_that_another_process_has_ended_meanwhile_is_not_trained_again(job, trained):
    job.folder.begin([3])
    job.folder.fold_file(3, 2).write_text('{"by": "another process"}')
    assert [one.error for one in run_jobs([job], 1)] == ["another process"]
    assert trained == []
