"""The trainings of a search, several at once, each with one thread."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import loky
import numpy as np
import torch

from earmark.config import Config
from earmark.data.background import with_background
from earmark.data.labels import choose_task
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError, TrainingError
from earmark.evaluation.baselines import PREDICTION_COLUMNS
from earmark.models.run_folder import RunFolder
from earmark.system.files import read_text
from earmark.system.progress import muted
from earmark.system.runtime import Runtime, cpu_threads
from earmark.tasks.task import MULTI_LABEL
from earmark.training.candidates.candidates import Candidate
from earmark.training.candidates.choice import Validated
from earmark.training.candidates.record import FAILED, Outcome
from earmark.training.fitting import Execution, Labelled, fit_network
from earmark.training.recipes.configure import Configured
from earmark.training.workers import worker_pool

Affords = Callable[[Candidate, Sequence[Candidate]], bool]
"""Whether there is time for a candidate, while others are trained."""


@dataclass(frozen=True)
class CandidateJob:
    """A candidate to train.

    Args:
        candidate: What it is.
        manifest: With splits, as read.
        config: All its settings.
        run: Its run folder.
        device: Where to compute.
        store: Folder of the feature store.
    """

    candidate: Candidate
    manifest: Manifest
    config: Config
    run: RunFolder
    device: str
    store: Path | str | None


def run_jobs(jobs: Sequence[CandidateJob], num_workers: int, affords: Affords) -> Iterator[Outcome]:
    """The outcomes of the candidates that there is time for, as they end.

    Args:
        jobs: In order of promise; each starts when a process is free and there is time for it.
        num_workers: Processes with a thread each; for 1, this process trains them itself.
        affords: Asked before a candidate starts.

    Raises:
        TrainingError: A process was killed.
    """
    if num_workers <= 1:
        for job in jobs:
            if affords(job.candidate, ()):
                yield attempt(job)
        return
    waiting, running = list(jobs), dict[Future[Any], Candidate]()
    with worker_pool(num_workers, remedy="leave out the budget, which starts them") as pool:
        while waiting or running:
            while waiting and len(running) < num_workers:
                job = waiting.pop(0)
                if affords(job.candidate, tuple(running.values())):
                    running[pool.submit(attempt, job)] = job.candidate
            for done in loky.wait(running, return_when=FIRST_COMPLETED).done:
                del running[done]
                yield done.result()


def attempt(job: CandidateJob) -> Outcome:
    """Trains a candidate, or continues where that stopped."""
    try:
        with muted():
            return _run(job)
    except EarmarkError as error:
        return Outcome(job.candidate, FAILED, error=str(error))
    except (MemoryError, torch.OutOfMemoryError):
        return Outcome(job.candidate, FAILED, error="out of memory")


def _run(job: CandidateJob) -> Outcome:
    train = job.config.train
    manifest = with_background(job.manifest, train)
    task = choose_task(manifest, train)
    runtime = Runtime(torch.device(job.device))
    with cpu_threads(1 if job.device == "cpu" else None):
        result = fit_network(
            Labelled(job.manifest, manifest, task),
            job.run,
            Configured(job.config),
            Execution(runtime, job.store),
        )
    validated = read_validated(result.run, manifest.labels, is_multi_label=task is MULTI_LABEL)
    return Outcome(
        job.candidate,
        loss=validated.loss() if validated else None,
        accuracy=(result.validation or {}).get("accuracy"),
        minutes=result.elapsed_seconds / 60,
        num_epochs=result.epochs,
        num_parameters=result.num_parameters,
    )


def read_validated(run: Path, labels: Sequence[str], *, is_multi_label: bool) -> Validated | None:
    """The probabilities that the network of a run gives to its validation clips.

    Args:
        run: The run folder.
        labels: The vocabulary of the network.
        is_multi_label: Whether labels are independent of each other.

    Returns:
        None after a refit, which has none.

    Raises:
        TrainingError: The last columns of the table are other labels.
    """
    file = RunFolder(run).validation
    try:
        columns, *rows = csv.reader(io.StringIO(read_text(file), newline=""))
    except FileNotFoundError:
        return None
    # By position: a label may have the name of a column.
    if columns[-len(labels) :] != list(labels):
        raise TrainingError(f"{file}: has other labels than the data; delete {run}")
    found = [row[PREDICTION_COLUMNS.index("label")] for row in rows]
    sets = [cell.split(";") if is_multi_label else [cell] for cell in found]
    targets = [[float(one in each) for one in labels] for each in sets]
    probabilities = [[float(cell) for cell in row[-len(labels) :]] for row in rows]
    return Validated(np.array(probabilities), np.array(targets), is_multi_label)
