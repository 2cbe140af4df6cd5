"""The work of a cross-validation: a fold is trained without and tested, several at once."""

import json
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import loky
import torch
from loky.process_executor import BrokenProcessPool

from earmark.config import Config
from earmark.data.manifest import Manifest
from earmark.errors import EarmarkError, TrainingError
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.files import atomic_write
from earmark.system.progress import muted
from earmark.system.runtime import Runtime
from earmark.training.cross_validation.folder import FoldFolder
from earmark.training.cross_validation.result import FoldFailure, FoldResult
from earmark.training.train import train

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class FoldJob:
    """A fold to train without and to test on.

    Args:
        seed: Of the training.
        fold: Its name.
        number: The place of its name in order, counted from 1.
        manifest: All recordings; those of the fold are the test split.
        config: All settings, of this fold.
        folder: Where its outcome is kept, and its run while it is trained.
        keep_models: Keep the run as well.
        device: Where to compute.
        store_root: Folder of the feature store.
    """

    seed: int
    fold: str
    number: int
    manifest: Manifest
    config: Config
    folder: FoldFolder
    keep_models: bool
    device: str
    store_root: Path


def run_jobs(jobs: Sequence[FoldJob], num_workers: int) -> Iterator[FoldResult | FoldFailure]:
    """What came of the jobs, as they end.

    Args:
        jobs: The folds.
        num_workers: Processes that train side by side, a thread each; one is this process itself.

    Raises:
        TrainingError: A process was ended from outside.
    """
    if num_workers <= 1:
        with _one_thread():
            for job in jobs:
                yield _attempt(job)
        return
    pool = loky.ProcessPoolExecutor(num_workers, initializer=_start_worker, env=_ONE_THREAD)
    try:
        for future in loky.as_completed([pool.submit(_attempt, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            "a worker process was ended from outside, perhaps for want of memory; give fewer "
            "--workers"
        ) from error
    finally:
        # At the end they are idle; before it, nobody waits for what they are doing.
        pool.shutdown(kill_workers=True)


def _start_worker() -> None:
    # The terminal sends an interruption to the whole family; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _attempt(job: FoldJob) -> FoldResult | FoldFailure:
    try:
        with muted():
            return _run(job)
    except EarmarkError as error:
        return FoldFailure(job.seed, job.fold, str(error))
    except (MemoryError, torch.OutOfMemoryError):
        return FoldFailure(job.seed, job.fold, "out of memory; lower train.batch_size")


def _run(job: FoldJob) -> FoldResult:
    """Trains without a fold, tests on it, and writes down what came of it."""
    run = job.folder.run(job.seed, job.number)
    runtime = Runtime(torch.device(job.device))
    trained = train(job.manifest, run.path, job.config, runtime=runtime, store_root=job.store_root)
    tested = evaluate_checkpoint(
        load_checkpoint(run.path),
        job.manifest,
        runtime=runtime,
        store_root=job.store_root,
        run=run.path,
    )
    result = FoldResult(
        seed=job.seed,
        fold=job.fold,
        clips=tuple(clip.name for clip in tested.predictions.clips),
        num_correct=tested.scores.num_correct,
        logits=tuple(map(tuple, tested.predictions.logits.tolist())),
        chosen=tested.chosen,
        best_epoch=trained.best_epoch,
        elapsed_seconds=trained.elapsed_seconds,
        log=tuple(run.read_log()),
        excerpts=tested.excerpts,
    )
    atomic_write(job.folder.fold_file(job.seed, job.number), json.dumps(result.to_dict()) + "\n")
    if not job.keep_models:
        shutil.rmtree(run.path)
    return result
