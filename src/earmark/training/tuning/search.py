"""Tuning: the settings that do best on the validation split, searched by workers at once."""

import logging
import multiprocessing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

from earmark.config import Config
from earmark.data.labels import choose_task, log_data
from earmark.data.manifest import Manifest
from earmark.data.preparation import prepare_once
from earmark.data.splits import with_splits
from earmark.errors import ConfigError, EarmarkError, TrainingError
from earmark.features.store import ClipKey, FeatureStore, default_root
from earmark.features.windows import crop_frames
from earmark.figures import to_png
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.parallel import default_num_workers
from earmark.system.progress import SILENT, Reporter, Task
from earmark.system.runtime import Runtime
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.plots import ParallelAxis, draw_history, draw_importance, draw_parallel
from earmark.training.tuning.space import SearchSpace
from earmark.training.tuning.trials import (
    Job,
    best_trial,
    ended,
    num_epochs,
    open_study,
    outcome,
    work,
)

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_MIN_PICTURED = 4
"""Fewer complete trials say nothing about which setting matters."""

Show = Callable[[optuna.Study], None]


@dataclass(frozen=True)
class BestTrial:
    """The trial that a study recommends.

    Args:
        number: Which trial, counted from 0.
        value: Its validation loss or accuracy.
        epochs: Epochs that it was trained.
        settings: Path to the value that it tried.
    """

    number: int
    value: float
    epochs: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TuningResult:
    """What a study has found so far.

    Args:
        study: The study folder.
        objective: What `BestTrial.value` is.
        num_trials: Trials that have ended; the next three add up to it.
        num_complete: Those that were trained to their end.
        num_pruned: Those that lagged behind.
        num_failed: Those whose settings do not fit together, or whose loss was no longer finite.
        best: The best of the complete ones.
    """

    study: Path
    objective: str
    num_trials: int
    num_complete: int
    num_pruned: int
    num_failed: int
    best: BestTrial

    def to_dict(self) -> dict[str, Any]:
        """What ``tune --json`` prints."""
        return {**asdict(self), "study": str(self.study)}


def tune(
    manifest: Manifest,
    study: Path,
    config: Config,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    num_workers: int | None = None,
) -> TuningResult:
    """Searches settings on the validation split; an interrupted study goes on where it stopped.

    The same call at the same time, from another process, works on the same study. The test split
    is not read.

    Args:
        manifest: The data, as read; missing splits are assigned.
        study: The study folder; `StudyFolder` says what it will hold.
        config: All settings; ``tune`` says what is searched and for how long.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        num_workers: Trials at once; when it is not given as many as there are processors, or one
            if the device is not the CPU.

    Raises:
        ConfigError: The search space is wrong.
        DataError: The data cannot be trained on.
        TrainingError: The folder is not free for this study, workers died, or no trial succeeded.
    """
    if runtime.world_size > 1:
        raise ConfigError("tune starts its own workers; leave torchrun out and give --workers")
    job = _set_up(manifest, StudyFolder(study), config, runtime, store_root or default_root())
    opened = open_study(job)
    if num_workers is None:
        num_workers = default_num_workers() if runtime.device.type == "cpu" else 1
    num_left = job.config.tune.trials - len(ended(opened.get_trials(deepcopy=False)))
    with runtime.reporter.track("tuning", job.config.tune.trials) as task:
        progress = _Progress(job, opened, runtime.reporter, task)
        if min(num_workers, num_left) == 1:
            work(job, opened, replace(runtime, reporter=SILENT), progress.show)
        elif num_left > 0:
            _start_workers(job, min(num_workers, num_left), runtime, lambda: progress.show(opened))
        progress.show(opened)
    _draw(job, opened)
    return _result(job, opened)


def _set_up(
    manifest: Manifest, folder: StudyFolder, config: Config, runtime: Runtime, store_root: Path
) -> Job:
    """Everything that can be wrong is found, and every feature computed, before the first trial."""
    if not config.train.hold_out_validation:
        raise ConfigError(
            "train.hold_out_validation = false: tune compares by validation; leave it out"
        )
    manifest = with_splits(manifest, config.train)
    task = choose_task(manifest, config.train)
    space = SearchSpace(config)
    searched = config.tune.model_copy(update={"space": space.dimensions})
    config = config.model_copy(update={"tune": searched})
    folder.refuse_misuse(config, manifest.folder)
    for name, corner in space.corners():
        try:
            new_network(ModelSpec(corner, manifest.labels, crop_frames(corner), task))
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None
    learnt_from = (*manifest.split("train"), *manifest.split("validation"))
    seen = replace(manifest, recordings=learnt_from)
    log_data(seen, task)
    # Once is enough: no trial has to say it again.
    seen = replace(seen, notes=())
    keys: dict[str, ClipKey] = {}
    for front_end in space.front_ends():
        store = FeatureStore(store_root, front_end.features)
        keys |= prepare_once(learnt_from, store, runtime).keys
    table = seen.to_csv(keys)
    folder.refuse_other_data(table, config.train.teachers)
    folder.open(config, table)
    logger.info(f"searched: {', '.join(space.dimensions)}")
    return Job(folder, seen, config, task.name, store_root)


def _start_workers(job: Job, num_workers: int, runtime: Runtime, show: Callable[[], None]) -> None:
    """Runs workers in processes of their own and shows what they have done meanwhile."""
    context = multiprocessing.get_context("spawn")
    errors = context.SimpleQueue()
    workers = [
        context.Process(target=_work_alone, args=(job, runtime.device.type, errors), daemon=True)
        for _ in range(num_workers)
    ]
    for worker in workers:
        worker.start()
    try:
        while living := [one.sentinel for one in workers if one.is_alive()]:
            wait(living, _POLL_SECONDS)
            show()
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    dead = [one.exitcode for one in workers if one.exitcode]
    if dead:
        why = errors.get() if not errors.empty() else f"exit status {dead[0]}"
        message = f"{len(dead)} of {num_workers} workers ended early ({why})"
        if len(ended(open_study(job).get_trials(deepcopy=False))) < job.config.tune.trials:
            raise TrainingError(f"{message}; the same command goes on from here")
        logger.warning(message)


def _work_alone(job: Job, device: str, errors: Any) -> None:
    # Trials at once are faster than threads within one, and do not wait for one another.
    torch.set_num_threads(1)
    try:
        work(job, open_study(job), Runtime(torch.device(device)), lambda _: None)
    except (EarmarkError, OSError) as error:
        errors.put(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None


class _Progress:
    """Tells of each trial that has ended, once."""

    def __init__(self, job: Job, study: optuna.Study, reporter: Reporter, task: Task) -> None:
        self._job, self._reporter, self._task = job, reporter, task
        already = ended(study.get_trials(deepcopy=False))
        self._shown = {one.number for one in already}
        task.advance(len(already))
        if already:
            logger.info(f"going on after {len(already)} trials of {job.folder.path}")

    def show(self, study: optuna.Study) -> None:
        """Tells of what has ended since the last time."""
        best = best_trial(study)
        for trial in ended(study.get_trials(deepcopy=False)):
            if trial.number in self._shown:
                continue
            self._shown.add(trial.number)
            self._task.advance(note=f"best {best.value:.4f}" if best else "")
            done = f"{len(self._shown)} of {self._job.config.tune.trials}"
            logger.info(f"{self._describe(trial)}  ({done} done)")
            if best and best.number == trial.number:
                values = (f"{path}={_short(value)}" for path, value in trial.params.items())
                logger.info(f"  best so far: {', '.join(values)}")

    def _describe(self, trial: FrozenTrial) -> str:
        head = f"trial {trial.number:3d}  {outcome(trial)}"
        if "error" in trial.user_attrs:
            return f"{head}: {trial.user_attrs['error']}"
        return (
            f"{head} after {num_epochs(trial)} epochs: "
            f"{self._job.config.tune.objective} {trial.value:.4f}"
        )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _result(job: Job, study: optuna.Study) -> TuningResult:
    trials, best = ended(study.get_trials(deepcopy=False)), best_trial(study)
    outcomes = [outcome(one) for one in trials]
    if best is None:
        errors = [one.user_attrs["error"] for one in trials if "error" in one.user_attrs]
        why = f"the first says: {errors[0]}" if errors else "wait for those that run elsewhere"
        raise TrainingError(f"{job.folder.path}: no trial was trained to its end; {why}")
    space = SearchSpace(job.config)
    settings = {path: space.value(path, drawn) for path, drawn in best.params.items()}
    return TuningResult(
        study=job.folder.path,
        objective=job.config.tune.objective,
        num_trials=len(trials),
        num_complete=outcomes.count("complete"),
        num_pruned=outcomes.count("pruned"),
        num_failed=outcomes.count("failed"),
        best=BestTrial(best.number, float(best.value or 0), num_epochs(best), settings),
    )


def _draw(job: Job, study: optuna.Study) -> None:
    """Draws the pictures of the study folder, those that the trials suffice for."""
    trials, objective = ended(study.get_trials(deepcopy=False)), job.config.tune.objective
    trials = [one for one in trials if "error" not in one.user_attrs]
    complete = [one for one in trials if outcome(one) == "complete"]
    if not complete:
        return
    values = [float(one.value or 0) for one in trials]
    kept = [outcome(one) == "complete" for one in trials]
    numbers = [one.number for one in trials]
    figures = {"history.png": draw_history(numbers, values, kept, objective)}
    if len(complete) >= _MIN_PICTURED:
        space = SearchSpace(job.config)
        axes = [
            ParallelAxis(
                title=path,
                values=[one.params[path] for one in trials],
                log=space.dimensions[path].log,
                order=space.labels.get(path, ()),
            )
            for path in space.dimensions
        ]
        shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        figures["parallel.png"] = draw_parallel(axes, values, kept, objective)
        figures["importance.png"] = draw_importance(shares, objective)
    for name, figure in figures.items():
        atomic_write(job.folder.path / name, to_png(figure))
