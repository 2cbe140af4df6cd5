"""Trials of a study: sampled, trained, pruned or kept, and shared with other workers.

Optuna samples the values and keeps the journal. Every change of the study is made under one lock,
so that workers, which may start and die at any time, agree on how many trials are left.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from filelock import FileLock, Timeout
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
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
        folder: The study folder.
        manifest: Training and validation only: no trial can read a test recording.
        config: All settings, with the search space written out.
        task: Name of the task of all recordings.
        store: Folder of the feature store; None is the shared one.
    """

    folder: StudyFolder
    manifest: Manifest
    config: Config
    task: str
    store: Path | str | None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by one worker at a time to sample, end and remove trials."""
        with FileLock(self.folder.path / "study.lock"):
            yield


class _JournalLock:
    """Optuna's own locks outlive a killed holder by half a minute; this one dies with it."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


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
    """The study in its folder, created when there is none."""
    journal, tune = job.folder.journal, job.config.tune
    lock: Any = _JournalLock(journal.with_suffix(".lock"))
    with job.locked():
        _drop_torn_line(journal)
        storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
        return optuna.create_study(
            storage=storage,
            study_name="earmark",
            direction="minimize" if tune.objective == "loss" else "maximize",
            pruner=make_pruner(job.config),
            load_if_exists=True,
        )


def _drop_torn_line(journal: Path) -> None:
    """Removes a half-written last line, which a crash may have left."""
    with suppress(FileNotFoundError):
        text = journal.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            atomic_write(journal, whole)


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
    file = job.folder.workers / name
    try:
        with FileLock(file):
            while (trial := _next_trial(job, study, space, name)) is not None:
                _run_trial(job, study, space, trial, runtime)
                show(study)
    finally:
        file.unlink(missing_ok=True)


def _next_trial(
    job: Job, study: optuna.Study, space: SearchSpace, worker: str
) -> optuna.Trial | None:
    """A trial with its values, marked as this worker's; None when the study has enough."""
    tune = job.config.tune
    with job.locked():
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

    A living worker holds the lock on its file, and it writes its name into a trial before it
    releases the lock of the study: a trial without a name, or whose worker's lock is free, has been
    abandoned.
    """
    for trial in _in(study.get_trials(deepcopy=False), TrialState.RUNNING):
        worker = trial.user_attrs.get("worker", "")
        if worker and _is_held(job.folder.workers / worker):
            continue
        if worker:
            (job.folder.workers / worker).unlink(missing_ok=True)
        study.tell(trial.number, state=TrialState.FAIL)
        shutil.rmtree(job.folder.run(trial.number), ignore_errors=True)
        if trial.params:
            study.enqueue_trial(trial.params)


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock on a file."""
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _run_trial(
    job: Job, study: optuna.Study, space: SearchSpace, trial: optuna.Trial, runtime: Runtime
) -> None:
    objective = job.config.tune.objective

    def watch(line: Mapping[str, Any]) -> None:
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
    except (ConfigError, TrainingError) as error:
        # Settings that cannot be trained with count as pruned: the sampler avoids them.
        trial.set_user_attr("error", str(error))
    except (MemoryError, torch.OutOfMemoryError):
        trial.set_user_attr("error", "out of memory")
    with job.locked():
        study.tell(trial, value, state)
        _keep_results(job, study, space)


def _keep_results(job: Job, study: optuna.Study, space: SearchSpace) -> None:
    """Writes the table and the best settings; removes run folders that are not needed."""
    trials = study.get_trials(deepcopy=False)
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
