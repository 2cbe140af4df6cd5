"""A run from settled settings: its network is trained, once or twice, in the run folder."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from earmark.config import Config
from earmark.data.background import with_background
from earmark.data.loaders import make_loaders
from earmark.data.manifest import Manifest
from earmark.data.preparation import Prepared, prepare_once
from earmark.data.silence import find_silence_label
from earmark.data.splits import with_splits
from earmark.features.store import FeatureStore
from earmark.features.windows import crop_frames
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import load_checkpoint, require_network, require_short_windows
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.models.work_folder import checksum_rows, digest_teachers, sources
from earmark.system.progress import muted
from earmark.system.runtime import Runtime, cpu_threads
from earmark.tasks.task import Task
from earmark.training.distillation import held_out_teachers, load_teachers, require_teachers
from earmark.training.epochs import run_epochs
from earmark.training.head_start import die_first, head_start
from earmark.training.novelty import add_novelty
from earmark.training.optimizer import make_objective
from earmark.training.recipes.configure import Configured, write_choices
from earmark.training.result import TrainingResult
from earmark.training.rule import take_rule
from earmark.training.start import held_out_start, open_start, require_start
from earmark.training.state import Job, Watch, start_or_resume
from earmark.training.threads import settle_threads

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Execution:
    """Where and how trainings are run.

    Args:
        runtime: Where to compute.
        store: Folder of the feature store; None is the shared one.
        overwrite: Start again in folders that hold other runs.
        watch: Called with the log line of each epoch once that is saved; an exception that it
            raises ends the training.
    """

    runtime: Runtime
    store: Path | str | None = None
    overwrite: bool = False
    watch: Watch | None = None


@dataclass(frozen=True)
class Labelled:
    """The data of a run.

    Args:
        given: As read, with splits; validation is held out unless the settings say otherwise.
        manifest: The same with the background as the network is trained on it.
        task: What the labels mean.
    """

    given: Manifest
    manifest: Manifest
    task: Task


def fit_network(
    data: Labelled, run: RunFolder, configured: Configured, execution: Execution
) -> TrainingResult:
    """Trains a network with settings of which none is left to choose.

    Args:
        data: What to train on.
        run: The run folder.
        configured: All settings.
        execution: Where and how.

    Raises:
        EarmarkError: As `train` does.
    """
    config, runtime, overwrite = configured.config, execution.runtime, execution.overwrite
    parts = _parts(run, config)
    for folder, settings in parts:
        require_teachers(settings.train.teachers)
        if runtime.is_main:
            folder.refuse_misuse(settings, data.manifest.folder, overwrite=overwrite)
    # Settings that make no network fail before the features are computed.
    require_network(ModelSpec(config, data.manifest.labels, crop_frames(config), data.task))
    features = FeatureStore(execution.store, config.features)
    recordings = (*data.manifest.split("train"), *data.manifest.split("validation"))
    prepared = prepare_once(recordings, features, runtime)
    both = _Data(data.given, data.task, features, prepared)
    jobs: list[Job] = []
    for folder, settings in parts:
        if jobs:
            # Both train with as many threads, so that the settings of the run repeat it.
            settings = settings.with_train(num_threads=jobs[0].spec.config.train.num_threads)
        jobs.append(_set_up(folder, settings, both, execution))
    _open(jobs, data.manifest, configured, overwrite=overwrite)
    result = _train_twice(jobs, both) if config.train.refit else _train(jobs[0], both)
    return replace(result, recipe=config.recipe.name, choices=configured.choices)


def _parts(run: RunFolder, config: Config) -> list[tuple[RunFolder, Config]]:
    """Folder and settings of the training, and of the first one where it is a refit."""
    parts = [(run, config)]
    if config.train.refit:
        parts.append((run.held_out, first_training(config)))
    return parts


def first_training(config: Config) -> Config:
    """The settings of the training whose validation is held out; before a refit, those of its own.

    Args:
        config: All settings.
    """
    train = config.train
    if not train.refit:
        return config
    return config.with_train(
        refit=False,
        teachers=held_out_teachers(train.teachers),
        start_from=held_out_start(config),
    )


@dataclass(frozen=True)
class _Data:
    """What both trainings of a run share.

    Args:
        manifest: With splits; validation is held out unless the settings say otherwise.
        task: What the labels mean.
        features: Where the features are.
        prepared: The recordings that have them.
    """

    manifest: Manifest
    task: Task
    features: FeatureStore
    prepared: Prepared


def _set_up(run: RunFolder, config: Config, data: _Data, execution: Execution) -> Job:
    """A training, before anything is written.

    Raises:
        EarmarkError: As `train` does.
    """
    runtime = execution.runtime
    given = with_splits(data.manifest, config.train)
    manifest = with_background(given, config.train)
    loaders = make_loaders(manifest, data.task, config, data.prepared, data.features, runtime)
    clips = loaders.train.dataset.clips
    spec = ModelSpec(
        *(config, manifest.labels, loaders.window_frames, data.task),
        silence_label=find_silence_label(
            *(clips, data.features, manifest.labels),
            *(config.predict.silence_db, config.train.background_label),
        ),
    )
    require_short_windows(spec)
    table = given.to_csv(data.prepared.keys, run.path)
    teachers = load_teachers(spec, table, runtime)
    objective = make_objective(spec, loaders.train.dataset.window_targets, teachers, runtime)
    runtime.require_same(
        {
            "settings": spec.to_text(),
            "recordings": checksum_rows(table),
            "teachers": digest_teachers(sources(config)),
            "train.precision": objective.precision,
        }
    )
    recorded = None if execution.overwrite else run.recorded_threads
    spec = settle_threads(spec, loaders.train.dataset, objective, runtime, recorded)
    start = open_start(config)
    if start is not None:
        require_start(start, spec)
    return Job(
        *(run, spec, table, loaders, objective, runtime, execution.watch),
        start=start,
    )


def _open(
    jobs: Sequence[Job], manifest: Manifest, configured: Configured, *, overwrite: bool
) -> None:
    """Writes what identifies the run folders, if they are free.

    Raises:
        TrainingError: One holds a run on other data or with other teachers.
    """
    runtime = jobs[0].runtime
    if runtime.is_main:
        for job in jobs:
            models = sources(job.spec.config)
            job.run.refuse_other_data(job.table, models, overwrite=overwrite)
        for job in jobs:
            earlier = job.start.list_earlier(job.table, job.run.path) if job.start else ""
            job.run.open(job.spec.config, job.table, earlier=earlier, overwrite=overwrite)
            write_choices(configured, job.run)
            job.run.write_naming(manifest.given, asdict(manifest.naming))
    runtime.wait()


def _train_twice(jobs: Sequence[Job], data: _Data) -> TrainingResult:
    """Trains with held-out validation, and anew on all clips with what that has fitted."""
    last, first = jobs
    logger.info("training 1 of 2: validation is held out")
    begin = partial(
        _train_ahead,
        *(last.run, last.spec.config, data.manifest, data.task, data.prepared),
        store=data.features.root,
    )
    with head_start(begin, first, last) as watch:
        held_out = _train(replace(first, watch=watch), data)
    logger.info("training 2 of 2: on the training and validation clips together")
    best = first.runtime.from_main(partial(load_checkpoint, first.run.best))
    refit = replace(
        last, spec=take_rule(last.spec, best.spec), validation=best.progress["validation"]
    )
    result = _train(refit, data)
    elapsed = round(result.elapsed_seconds + held_out.elapsed_seconds, 3)
    return replace(result, held_out=held_out, elapsed_seconds=elapsed)


def _train_ahead(
    run: RunFolder,
    config: Config,
    manifest: Manifest,
    task: Task,
    prepared: Prepared,
    *,
    store: Path,
) -> None:
    """Trains all epochs but the last of a refit whose first training has not ended."""
    die_first()
    data = _Data(manifest, task, FeatureStore(store, config.features), prepared)
    execution = Execution(Runtime(torch.device("cpu")), store)
    with muted(), cpu_threads(config.train.num_threads):
        job = replace(_set_up(run, config, data, execution), is_ahead=True)
        run_epochs(job, start_or_resume(job))


def _train(job: Job, data: _Data) -> TrainingResult:
    """Trains the epochs that are left."""
    with cpu_threads(job.spec.config.train.num_threads):
        state = start_or_resume(job)
        run_epochs(job, state)
        add_novelty(job)
    best = job.runtime.from_main(partial(load_checkpoint, job.run.best))
    return TrainingResult(
        run=job.run.path,
        data=data.manifest.given,
        best_epoch=state.stopping.best_epoch,
        epochs=state.stopping.epoch,
        stopped_early=state.stopping.epoch < job.spec.config.train.epochs,
        validation=best.progress["validation"],
        num_parameters=count_parameters(state.model),
        elapsed_seconds=round(sum(line["elapsed_seconds"] for line in state.log), 3),
        skipped=data.prepared.skipped,
        start=job.start.describe(job.spec.labels) if job.start else None,
    )
