"""Training: from data and settings to a run folder with a network."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from earmark.config import Config, as_config, with_recipe
from earmark.data.background import with_background
from earmark.data.labels import choose_task, log_data
from earmark.data.loaders import make_loaders
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import Prepared, prepare_once
from earmark.data.silence import find_silence_label
from earmark.data.splits import with_splits
from earmark.features.store import FeatureStore
from earmark.features.windows import crop_frames
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import load_checkpoint, require_network, require_short_windows
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, cpu_threads, running
from earmark.tasks.task import Task
from earmark.training.baseline import with_baseline
from earmark.training.distillation import held_out_teachers, load_teachers, require_teachers
from earmark.training.epochs import run_epochs
from earmark.training.novelty import add_novelty
from earmark.training.optimizer import make_objective
from earmark.training.recipes.configure import (
    Configured,
    configure_work,
    log_choices,
    write_choices,
)
from earmark.training.result import TrainingResult
from earmark.training.rule import take_rule
from earmark.training.state import Job, Watch, start_or_resume
from earmark.training.threads import settle_threads

logger = logging.getLogger(__name__)


def train(
    data: Path | str | Manifest,
    run: Path | str,
    config: Config | Path | str | None = None,
    *,
    device: str | Runtime = "auto",
    store: Path | str | None = None,
    overwrite: bool = False,
) -> TrainingResult:
    """Trains a network and leaves a run folder; an interrupted run resumes where it stopped.

    Features are computed first where they are missing. Every epoch is validated; the weights of
    the best one are kept. With ``train.refit`` a last training on training and validation
    recordings follows, whose last weights are kept.

    Args:
        data: A folder or a manifest; missing splits are assigned.
        run: The run folder; `RunFolder` lists its files.
        config: All settings, or a TOML file of them.
        device: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in a folder that holds another run.

    Raises:
        ConfigError: A setting is wrong, or a teacher is missing or does not fit.
        DataError: The data cannot be trained on.
        TrainingError: The folder is not free for this run, or the loss is no longer finite.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> config = earmark.load_config(settings=["train.epochs=1"])
        >>> with demo_data() as data, tempfile.TemporaryDirectory() as folder:
        ...     result = train(data, f"{folder}/run", config, store=f"{folder}/store")
        >>> result.epochs
        1
    """
    with running(device) as runtime:
        result = run_training(
            read_manifest(data),
            Path(run),
            as_config(config),
            runtime=runtime,
            store=store,
            overwrite=overwrite,
        )
        return with_baseline(result, runtime, store)


def run_training(  # noqa: PLR0913 - one more than `train`: a search watches the epochs
    manifest: Manifest,
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store: Path | str | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> TrainingResult:
    """What `train` does, for callers that have a runtime and watch the epochs.

    Args:
        manifest: The data.
        run: The run folder.
        config: All settings.
        runtime: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in a folder that holds another run.
        watch: Called with the log line of each epoch once that is saved; an exception that it
            raises ends the training.
    """
    run_folder, config = RunFolder(run), with_recipe(config)
    require_teachers(config.train.teachers)
    held_out = first_training(config).train
    given = with_splits(manifest, held_out)
    manifest = with_background(given, held_out)
    task = choose_task(manifest, held_out)
    configured = configure_work(
        manifest, config, run_folder, runtime=runtime, store=store, overwrite=overwrite
    )
    config = configured.config
    log_data(manifest, task, config.features)
    log_choices(configured)
    parts = _parts(run_folder, config)
    for folder, settings in parts:
        require_teachers(settings.train.teachers)
        folder.refuse_misuse(settings, manifest.folder, overwrite=overwrite)
    # Settings that make no network fail before the features are computed.
    require_network(ModelSpec(config, manifest.labels, crop_frames(config), task))
    features = FeatureStore(store, config.features)
    recordings = (*manifest.split("train"), *manifest.split("validation"))
    data = _Data(given, task, features, prepare_once(recordings, features, runtime))
    jobs: list[Job] = []
    for folder, settings in parts:
        if jobs:
            # Both train with as many threads, so that the settings of the run repeat it.
            settings = settings.with_train(num_threads=jobs[0].spec.config.train.num_threads)
        jobs.append(_set_up(folder, settings, data, runtime, watch, overwrite=overwrite))
    _open(jobs, manifest, configured, overwrite=overwrite)
    result = _train_twice(jobs, data) if config.train.refit else _train(jobs[0], data)
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
    return config.with_train(refit=False, teachers=held_out_teachers(train.teachers))


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


def _set_up(
    run: RunFolder,
    config: Config,
    data: _Data,
    runtime: Runtime,
    watch: Watch | None,
    *,
    overwrite: bool,
) -> Job:
    """A training, before anything is written.

    Raises:
        EarmarkError: As `train` does.
    """
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
    recorded = None if overwrite else run.recorded_threads
    spec = settle_threads(spec, loaders.train.dataset, objective, runtime, recorded)
    return Job(run, spec, table, loaders, objective, runtime, watch)


def _open(
    jobs: Sequence[Job], manifest: Manifest, configured: Configured, *, overwrite: bool
) -> None:
    """Writes what identifies the run folders, if they are free.

    Raises:
        TrainingError: One holds a run on other data or with other teachers.
    """
    runtime = jobs[0].runtime
    for job in jobs:
        teachers = job.spec.config.train.teachers
        job.run.refuse_other_data(job.table, teachers, overwrite=overwrite)
    runtime.wait()
    if runtime.is_main:
        for job in jobs:
            job.run.open(job.spec.config, job.table, overwrite=overwrite)
            write_choices(configured, job.run)
            job.run.write_naming(manifest.given, asdict(manifest.naming))
    runtime.wait()


def _train_twice(jobs: Sequence[Job], data: _Data) -> TrainingResult:
    """Trains with held-out validation, and anew on all clips with what that has fitted."""
    last, first = jobs
    logger.info("training 1 of 2: validation is held out")
    held_out = _train(first, data)
    logger.info("training 2 of 2: on the training and validation clips together")
    best = load_checkpoint(first.run.best)
    refit = replace(
        last, spec=take_rule(last.spec, best.spec), validation=best.progress["validation"]
    )
    result = _train(refit, data)
    elapsed = round(result.elapsed_seconds + held_out.elapsed_seconds, 3)
    return replace(result, held_out=held_out, elapsed_seconds=elapsed)


def _train(job: Job, data: _Data) -> TrainingResult:
    """Trains the epochs that are left."""
    with cpu_threads(job.spec.config.train.num_threads):
        state = start_or_resume(job)
        run_epochs(job, state)
        add_novelty(job)
    best = load_checkpoint(job.run.best)
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
    )
