"""Trials of a study: sampled, trained, pruned or kept, and shared with other workers.

Optuna samples the values. Every change of the study is made under one lock, so that workers, which
may start and die at any time, agree on how many trials are left.
"""

import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from earmark.config import Config, SearchConfig
from earmark.data.manifest import Manifest
from earmark.errors import ConfigError, TrainingError
from earmark.system.files import atomic_write
from earmark.system.progress import muted
from earmark.system.runtime import Runtime
from earmark.training.fitting import first_training
from earmark.training.train import run_training
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.space import SearchSpace
from earmark.training.tuning.storage import TrialStorage

logger = logging.getLogger(__name__)

_LOG_KEYS = {"loss": "val_loss", "accuracy": "val_accuracy"}
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "interrupted",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_COLUMNS = ("number", "state", "value", "epochs")


@dataclass(frozen=True)
class Job:
    """What every worker of a study needs.

    Args:
        storage: Keeps the trials.
        manifest: Training and validation only: no trial can read a test recording.
        config: All settings, with the search space written out.
        task: Name of the task of all recordings.
        store: Folder of the feature store; None is the shared one.
    """

    storage: TrialStorage
    manifest: Manifest
    config: Config
    task: str
    store: Path | str | None

    @property
    def folder(self) -> StudyFolder:
        """The study folder of this machine."""
        return self.storage.folder


@contextmanager
def silent_optuna() -> Iterator[None]:
    """Lets Optuna log errors only, until the context ends."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(job: Job) -> optuna.Study:
    """The study of a job, created when there is none.

    Raises:
        ConfigError: The trials of the folder are kept elsewhere.
        TrainingError: The database holds another study.
    """
    with job.storage.locked():
        study = optuna.create_study(
            storage=job.storage.connect(),
            study_name=job.storage.name,
            direction="minimize" if job.config.tune.objective == "loss" else "maximize",
            pruner=make_pruner(job.config),
            load_if_exists=True,
        )
        job.storage.register(study, job.folder.identity(job.config))
    return study


def make_pruner(config: Config) -> BasePruner:
    """The pruner that ``tune.pruner`` names."""
    tune = config.tune
    if tune.pruner == "none":
        return NopPruner()
    # Optuna prunes from this step on, and epochs count from 1.
    first = tune.warmup_epochs + 1
    if tune.pruner == "median":
        return MedianPruner(n_startup_trials=tune.startup_trials, n_warmup_steps=first)
    return HyperbandPruner(
        min_resource=min(first, config.train.epochs),
        max_resource=config.train.epochs,
        reduction_factor=3,
    )


def work(
    job: Job, study: optuna.Study, runtime: Runtime, show: Callable[[optuna.Study], None]
) -> None:
    """Trains trials until the study has ``tune.trials``.

    Args:
        job: What to train.
        study: From `open_study`.
        runtime: Where to compute.
        show: Called after each trial.
    """
    space = SearchSpace(job.config)
    name = uuid.uuid4().hex
    with job.storage.working(name) as renew:
        while (trial := _next_trial(job, study, space, name)) is not None:
            _run_trial(job, study, trial, runtime, renew)
            show(study)


def _next_trial(
    job: Job, study: optuna.Study, space: SearchSpace, worker: str
) -> optuna.Trial | None:
    """A trial with its values, marked as this worker's; None when the study has enough."""
    tune = job.config.tune
    with job.storage.locked():
        _release_dead(job, study)
        trials = study.get_trials(deepcopy=False)
        num_counted = len(ended(trials)) + len(_in(trials, TrialState.RUNNING))
        if num_counted >= tune.trials:
            return None
        # Seeded for each trial, so that a resumed study samples as an uninterrupted one.
        seeds = np.random.SeedSequence((job.config.train.seed, num_counted))
        study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=tune.startup_trials,
            seed=int(seeds.generate_state(1)[0]),
            constant_liar=True,
        )
        trial = study.ask(distributions(space))
        trial.set_user_attr("worker", worker)
        return trial


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """The search space in the terms of Optuna."""
    return {path: _distribution(space, path, one) for path, one in space.dimensions.items()}


def _distribution(space: SearchSpace, path: str, one: SearchConfig) -> BaseDistribution:
    if path in space.labels:
        return CategoricalDistribution(space.labels[path])
    if isinstance(one.low, int) and isinstance(one.high, int):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(float(one.low or 0), float(one.high or 0), log=one.log)


def _release_dead(job: Job, study: optuna.Study) -> None:
    """Enqueues the trials of workers that have died again.

    A living worker holds the lock of its name, and it writes its name into a trial before it
    releases the lock of the study: a trial without a name, or of a worker that has ended, has been
    abandoned.
    """
    for trial in _in(study.get_trials(deepcopy=False), TrialState.RUNNING):
        worker = trial.user_attrs.get("worker", "")
        if worker and not job.storage.has_ended(worker):
            continue
        study.tell(trial.number, state=TrialState.FAIL)
        shutil.rmtree(job.folder.run(trial.number), ignore_errors=True)
        if trial.params:
            study.enqueue_trial(trial.params)


def _run_trial(
    job: Job,
    study: optuna.Study,
    trial: optuna.Trial,
    runtime: Runtime,
    renew: Callable[[], None],
) -> None:
    objective, space = job.config.tune.objective, SearchSpace(job.config)

    def watch(line: Mapping[str, Any]) -> None:
        renew()
        trial.report(line[_LOG_KEYS[objective]], line["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    value, state = None, TrialState.PRUNED
    try:
        config = space.apply(trial.params)
        # The task of all recordings; the trial has those of training and validation only.
        with muted():
            result = run_training(
                job.manifest,
                job.folder.run(trial.number),
                first_training(config.with_train(task=job.task)),
                runtime=runtime,
                store=job.store,
                watch=watch,
            )
        value, state = (result.validation or {})[objective], TrialState.COMPLETE
    except optuna.TrialPruned:
        pass
    except UpdateFinishedTrialError:
        # While the connection was lost, another worker has taken it over.
        _drop(job, trial.number)
        return
    except (ConfigError, TrainingError) as error:
        # Settings that cannot be trained with count as pruned: the sampler avoids them.
        trial.set_user_attr("error", str(error))
    except (MemoryError, torch.OutOfMemoryError):
        trial.set_user_attr("error", "out of memory")
    with job.storage.locked():
        renew()
        now = study.get_trials(deepcopy=False)[trial.number]
        if now.state is not TrialState.RUNNING:
            _drop(job, trial.number)
            return
        study.tell(trial, value, state)
        keep_results(job, study)


def _drop(job: Job, number: int) -> None:
    logger.warning(f"trial {number} was given to another worker while this one was cut off")
    shutil.rmtree(job.folder.run(number), ignore_errors=True)


def keep_results(job: Job, study: optuna.Study) -> None:
    """Writes the table and the best settings; removes run folders that are not needed.

    Args:
        job: Of the study.
        study: Under its lock.
    """
    space, trials = SearchSpace(job.config), study.get_trials(deepcopy=False)
    best = best_trial(study)
    used = {job.folder.run(one.number) for one in _in(trials, TrialState.RUNNING)}
    if best is not None:
        used.add(job.folder.run(best.number))
        head = f"# Trial {best.number} of a study: {job.config.tune.objective} {best.value:.4f}\n"
        atomic_write(job.folder.best, head + space.apply(best.params).to_toml())
    for run in job.folder.trials.iterdir():
        if run not in used:
            shutil.rmtree(run, ignore_errors=True)
    rows = [[*_COLUMNS, *space.dimensions, "error"]]
    rows += [_row(one, list(space.dimensions)) for one in trials]
    job.folder.write_table(rows)


def _row(trial: FrozenTrial, paths: list[str]) -> list[Any]:
    values = [trial.params.get(path, "") for path in paths]
    value = "" if trial.value is None else trial.value
    error = trial.user_attrs.get("error", "")
    return [trial.number, outcome(trial), value, num_epochs(trial), *values, error]


def outcome(trial: FrozenTrial) -> str:
    """State of a trial in one word."""
    return "failed" if "error" in trial.user_attrs else _STATES[trial.state]


def num_epochs(trial: FrozenTrial) -> int:
    """Number of epochs that a trial was trained."""
    return max(trial.intermediate_values, default=0)


def ended(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The finished trials: complete, pruned or failed, but not interrupted."""
    return _in(trials, TrialState.COMPLETE, TrialState.PRUNED)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best of the complete trials; of equal ones the first."""
    complete = _in(study.get_trials(deepcopy=False), TrialState.COMPLETE)
    sign = 1 if study.direction is optuna.study.StudyDirection.MINIMIZE else -1
    return min(complete, key=lambda one: (sign * (one.value or 0), one.number), default=None)


def _in(trials: list[FrozenTrial], *states: TrialState) -> list[FrozenTrial]:
    return [one for one in trials if one.state in states]
