"""Hyper-parameter search by the validation score, with several workers."""

import logging
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

from earmark.config import Config, as_config, with_recipe
from earmark.config.loading import mark_given
from earmark.data.labels import choose_task, log_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_once
from earmark.errors import ConfigError, EarmarkError, TrainingError
from earmark.features.store import ClipKey, FeatureStore, default_root
from earmark.features.windows import crop_frames
from earmark.figures import to_png
from earmark.models.checkpoint import require_network
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.numbers import counted
from earmark.system.parallel import default_num_workers
from earmark.system.progress import SILENT, Task
from earmark.system.runtime import Runtime, running, warn_of_emulation
from earmark.training.distillation import require_teachers
from earmark.training.fitting import first_training
from earmark.training.recipes.configure import (
    Configured,
    configure_work,
    divide,
    log_choices,
    write_choices,
)
from earmark.training.start_splits import refuse_start_leaks
from earmark.training.tuning.folder import StudyFolder
from earmark.training.tuning.plots import ParallelAxis, draw_history, draw_importance, draw_parallel
from earmark.training.tuning.result import BestTrial, TuningResult
from earmark.training.tuning.space import SearchSpace
from earmark.training.tuning.storage import Journal, TrialStorage
from earmark.training.tuning.trials import (
    Job,
    best_trial,
    ended,
    keep_results,
    num_epochs,
    open_study,
    outcome,
    silent_optuna,
    work,
)

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_MIN_PLOTTED = 4
"""Fewer complete trials cannot show which setting matters."""


def tune(  # noqa: PLR0913 - one more than `train`: where several machines meet
    data: Path | str | Manifest,
    study: Path | str,
    config: Config | Path | str | None = None,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    num_workers: int | None = None,
    storage: str | None = None,
) -> TuningResult:
    """Searches settings by their validation score; an interrupted study resumes where it stopped.

    Several processes may run the same call at the same time and share the study: on one machine,
    on machines that share the study folder, or, with a database, on any machines. The test split is
    not read. More trials make the best validation score more optimistic; trust the test score.

    Args:
        data: A folder or a manifest; missing splits are assigned.
        study: The study folder; `StudyFolder` lists its files.
        config: All settings, or a TOML file of them; ``tune`` is the section of the search.
        device: Where to compute.
        store: Folder of the feature store; the shared one by default.
        num_workers: Trials at once; by default one for each processor on a CPU, or else one.
        storage: URL of a PostgreSQL database that keeps the trials instead of a journal in the
            folder, such as ``postgresql://USER@HOST/DATABASE``. The name of the folder names the
            study there. A password in the URL is neither logged nor stored.

    Raises:
        ConfigError: The search space is wrong, a teacher is missing, or the database cannot be
            used.
        DataError: The data cannot be trained on.
        TrainingError: The folder or the database is not free for this study, workers died, the
            database was lost, or no trial succeeded.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> settings = ["recipe.name=classic", "tune.trials=1", "train.epochs=1"]
        >>> config = earmark.load_config(settings=settings)
        >>> with demo_data() as data, tempfile.TemporaryDirectory() as folder:
        ...     result = tune(data, f"{folder}/study", config, store=f"{folder}/store")
        >>> result.num_complete
        1
    """
    kept_in = _storage(StudyFolder(Path(study)), storage)
    with running(device) as runtime, silent_optuna(), kept_in.reporting():
        if runtime.world_size > 1:
            raise ConfigError("tune starts its own workers; run it without torchrun")
        job = _set_up(read_manifest(data), kept_in, as_config(config), runtime, store)
        opened = open_study(job)
        if num_workers is None:
            num_workers = default_num_workers() if runtime.device.type == "cpu" else 1
        num_left = job.config.tune.trials - len(ended(opened.get_trials(deepcopy=False)))
        with runtime.reporter.track("tuning", job.config.tune.trials) as task:
            progress = _Progress(job, opened, task)
            if min(num_workers, num_left) == 1:
                work(job, opened, replace(runtime, reporter=SILENT), progress.show)
            elif num_left > 0:
                num_workers = min(num_workers, num_left)
                _start_workers(job, num_workers, runtime, lambda: progress.show(opened))
            progress.show(opened)
        with kept_in.locked():
            keep_results(job, opened)
        _draw(job, opened)
        return _result(job, opened)


def _storage(folder: StudyFolder, url: str | None) -> TrialStorage:
    """Where the trials are kept: in the folder, or in the database of an URL."""
    if url is None:
        return Journal(folder)
    # SQLAlchemy takes a third of a second to import.
    from earmark.training.tuning.database import Database

    database = Database(folder, url)
    database.check()
    return database


def _set_up(
    manifest: Manifest,
    storage: TrialStorage,
    config: Config,
    runtime: Runtime,
    store: Path | str | None,
) -> Job:
    """Checks everything and computes all features before the first trial."""
    if not config.train.hold_out_validation:
        raise ConfigError(
            "train.hold_out_validation = false: tune compares validation scores; leave it out"
        )
    require_teachers(config.train.teachers)
    config = with_recipe(config)
    # No trial is refitted: they are compared by their validation scores.
    manifest = divide(manifest, config)
    root = default_root() if store is None else Path(store)
    refuse_start_leaks(first_training(config), manifest, [manifest], root, runtime.reporter)
    task, folder = choose_task(manifest, config.train), storage.folder
    configured = _configure(manifest, config, folder, runtime, store)
    config = configured.config
    space = SearchSpace(config)
    searched = config.tune.model_copy(update={"space": space.dimensions})
    config = config.model_copy(update={"tune": searched})
    folder.refuse_misuse(config, manifest.folder)
    for name, corner in space.corners():
        try:
            require_network(ModelSpec(corner, manifest.labels, crop_frames(corner), task))
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None
    recordings = (*manifest.split("train"), *manifest.split("validation"))
    seen = replace(manifest, recordings=recordings)
    log_data(seen, task, config.features)
    log_choices(configured)
    warn_of_emulation(config.train.precision, runtime.device)
    # Logged once, not in every trial.
    seen = replace(seen, notes=())
    table = seen.to_csv(_prepare(seen, space, runtime, store), folder.path)
    folder.create()
    with storage.locked():
        # Again: another process may have begun meanwhile.
        folder.refuse_misuse(config, manifest.folder)
        folder.refuse_other_data(table, config.train.teachers)
        folder.open(config, table)
        write_choices(configured, folder)
    logger.info(f"searched: {', '.join(space.dimensions)}")
    return Job(storage, seen, config, task.name, store)


def _prepare(
    seen: Manifest, space: SearchSpace, runtime: Runtime, store: Path | str | None
) -> dict[str, ClipKey]:
    """The keys of all recordings, whose features are computed for every front end."""
    keys: dict[str, ClipKey] = {}
    for front_end in space.front_ends():
        features = FeatureStore(store, front_end.features)
        keys |= prepare_once(seen.recordings, features, runtime).keys
    return keys


def _configure(
    manifest: Manifest,
    config: Config,
    folder: StudyFolder,
    runtime: Runtime,
    store: Path | str | None,
) -> Configured:
    """The settings that the search starts from; those that it varies count as given."""
    config = mark_given(config, config.given | SearchSpace(config).settings)
    return configure_work(manifest, config, folder, runtime=runtime, store=store)


def _start_workers(job: Job, num_workers: int, runtime: Runtime, show: Callable[[], None]) -> None:
    """Runs workers in their own processes and shows what they finish."""
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
            raise TrainingError(f"{message}; the same command resumes the study")
        logger.warning(message)


def _work_alone(job: Job, device: str, errors: Any) -> None:
    # Parallel trials are faster than threads within one.
    torch.set_num_threads(1)
    try:
        with silent_optuna(), job.storage.reporting():
            work(job, open_study(job), Runtime(torch.device(device)), lambda _: None)
    except (EarmarkError, OSError) as error:
        errors.put(str(error))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None


class _Progress:
    """Logs each trial once, when it has ended."""

    def __init__(self, job: Job, study: optuna.Study, task: Task) -> None:
        self._job, self._task = job, task
        already = ended(study.get_trials(deepcopy=False))
        self._shown = {one.number for one in already}
        task.advance(len(already))
        if already:
            logger.info(f"resuming after {counted(len(already), 'trial')} of {job.folder.path}")

    def show(self, study: optuna.Study) -> None:
        """Logs the trials that have ended since the last call."""
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
    num_running = sum(outcome(one) == "running" for one in study.get_trials(deepcopy=False))
    if num_running:
        logger.info(
            f"note: other workers still train {counted(num_running, 'trial')}; the same command "
            "shows the result when they have ended"
        )
    if best is None:
        errors = [one.user_attrs["error"] for one in trials if "error" in one.user_attrs]
        why = f"the first error: {errors[0]}" if errors else "wait for those of other workers"
        raise TrainingError(f"{job.folder.path}: no trial was completed; {why}")
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
    """Writes the plots of the study folder, as far as there are enough trials."""
    trials, objective = ended(study.get_trials(deepcopy=False)), job.config.tune.objective
    trials = [one for one in trials if "error" not in one.user_attrs]
    complete = [one for one in trials if outcome(one) == "complete"]
    if not complete:
        return
    values = [float(one.value or 0) for one in trials]
    kept = [outcome(one) == "complete" for one in trials]
    numbers = [one.number for one in trials]
    figures = {"history.png": draw_history(numbers, values, kept, objective)}
    if len(complete) >= _MIN_PLOTTED:
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
        importances = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        figures["parallel.png"] = draw_parallel(axes, values, kept, objective)
        figures["importance.png"] = draw_importance(importances, objective)
    for name, figure in figures.items():
        atomic_write(job.folder.path / name, to_png(figure))
