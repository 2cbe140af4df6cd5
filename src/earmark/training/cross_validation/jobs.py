"""The folds of a cross-validation, trained and tested in parallel."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import loky
import torch

from earmark.config import Config
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError
from earmark.evaluation.classical_baseline import evaluate_classical
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.files import atomic_write
from earmark.system.numbers import counted
from earmark.system.progress import muted
from earmark.system.runtime import Runtime, cpu_threads
from earmark.training.cross_validation.fold_result import FoldFailure, FoldResult
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.train import run_training
from earmark.training.workers import worker_pool

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
"""Between looks at the folds that other processes hold."""


@dataclass(frozen=True)
class FoldJob:
    """A fold to hold out.

    Args:
        seed: Of the training.
        fold: Name of the fold.
        number: Its place in the order of the names, counted from 1.
        manifest: All recordings; those of the fold are the test split.
        config: All settings for this fold.
        folder: Where its result is kept, and its run folder while it is trained.
        keep_models: Whether the run folder is kept as well.
        fits_baseline: Whether the classical baseline is fitted too: it is the same for every seed.
        device: Where to compute.
        store: Folder of the feature store.
    """

    seed: int
    fold: str
    number: int
    manifest: Manifest
    config: Config
    folder: FoldFolder
    keep_models: bool
    fits_baseline: bool
    device: str
    store: Path


def read_kept(job: FoldJob) -> FoldResult | None:
    """The result of another process or an earlier command.

    Args:
        job: The fold.

    Returns:
        None where there is none yet, or the model is wanted and was not kept.
    """
    table = job.folder.read_fold(job.seed, job.number)
    if table is None or (
        job.keep_models and not job.folder.run(job.seed, job.number).best.exists()
    ):
        return None
    return FoldResult.from_dict(table)


def run_jobs(jobs: Sequence[FoldJob], num_workers: int) -> Iterator[FoldResult | FoldFailure]:
    """The results of the folds, as they finish.

    Folds that other processes hold come last: their results are waited for, and those whose
    process dies are trained here.

    Args:
        jobs: The folds.
        num_workers: Processes with a thread each; for 1, this process runs the folds itself.

    Raises:
        TrainingError: A process was killed.
    """
    waiting, is_logged = list(jobs), False
    with _attempts(num_workers) as attempts:
        while waiting:
            ready, held = _divide(waiting)
            if not ready:
                if not is_logged:
                    logger.info(f"waiting for {counted(len(held), 'fold')} of other processes")
                is_logged = True
                time.sleep(_POLL_SECONDS)
            waiting = held
            for job, outcome in attempts(ready):
                if outcome is None:
                    waiting.append(job)
                else:
                    yield outcome


def _divide(jobs: Sequence[FoldJob]) -> tuple[list[FoldJob], list[FoldJob]]:
    """The folds that nobody holds, and the others."""
    ready: list[FoldJob] = []
    held: list[FoldJob] = []
    for job in jobs:
        (held if job.folder.is_held(job.seed, job.number) else ready).append(job)
    return ready, held


_Outcome = FoldResult | FoldFailure | None
_Attempts = Callable[[Sequence[FoldJob]], Iterator[tuple[FoldJob, _Outcome]]]


@contextmanager
def _attempts(num_workers: int) -> Iterator[_Attempts]:
    """What runs some folds and gives the outcome of each, or None where another holds it."""
    if num_workers <= 1:
        with cpu_threads(1):
            yield lambda jobs: ((job, _attempt(job)) for job in jobs)
        return
    with worker_pool(num_workers, remedy="use fewer --workers") as pool:

        def attempts(jobs: Sequence[FoldJob]) -> Iterator[tuple[FoldJob, _Outcome]]:
            futures = {pool.submit(_attempt, job): job for job in jobs}
            for future in loky.as_completed(futures):
                yield futures[future], future.result()  # pyrefly: ignore[bad-index]

        yield attempts


def _attempt(job: FoldJob) -> _Outcome:
    with job.folder.claim(job.seed, job.number) as is_ours, muted():
        if not is_ours:
            return None
        kept = read_kept(job)
        if kept is not None:
            return kept
        try:
            return _run(job)
        except EarmarkError as error:
            return FoldFailure(job.seed, job.fold, str(error))
        except (MemoryError, torch.OutOfMemoryError):
            return FoldFailure(job.seed, job.fold, "out of memory; lower train.batch_size")


def _run(job: FoldJob) -> FoldResult:
    """Trains without a fold, tests on it, and writes the result."""
    run = job.folder.run(job.seed, job.number)
    runtime = Runtime(torch.device(job.device))
    trained = run_training(job.manifest, run.path, job.config, runtime=runtime, store=job.store)
    checkpoint = load_checkpoint(run.path)
    tested = evaluate_checkpoint(
        checkpoint,
        job.manifest,
        runtime=runtime,
        store_root=job.store,
        run=run.path,
        # Compared once, for all folds.
        compares_sound=False,
    )
    classical = None
    if job.fits_baseline:
        classical = evaluate_classical(tested, checkpoint.spec, run.path, job.store)
    result = FoldResult(
        seed=job.seed,
        fold=job.fold,
        clips=tuple(clip.name for clip in tested.predictions.clips),
        num_correct=tested.scores.num_correct,
        logits=tuple(map(tuple, tested.predictions.logits.tolist())),
        chosen=tuple(tested.decisions.outcome_indices()),
        best_epoch=trained.best_epoch,
        elapsed_seconds=trained.elapsed_seconds,
        log=tuple(run.read_log()),
        excerpts=tested.excerpts,
        classical=classical,
    )
    atomic_write(job.folder.fold_file(job.seed, job.number), json.dumps(result.to_dict()) + "\n")
    if not job.keep_models:
        shutil.rmtree(run.path)
    return result
