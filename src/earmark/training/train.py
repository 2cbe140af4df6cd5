"""Training: from data and settings to a run folder with a network."""

from dataclasses import asdict, replace
from pathlib import Path

from earmark.config import Config, as_config, with_recipe
from earmark.data.labels import choose_task, log_data
from earmark.data.loaders import make_loaders
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.silence import find_silence_label
from earmark.data.splits import with_splits
from earmark.errors import FailedFile
from earmark.features.store import FeatureStore
from earmark.features.windows import crop_frames
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import load_checkpoint, require_network, require_short_windows
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, running
from earmark.training.distillation import load_teachers, require_teachers
from earmark.training.epochs import run_epochs
from earmark.training.optimizer import make_objective
from earmark.training.recipes.configure import configure_work, log_choices, write_choices
from earmark.training.result import TrainingResult
from earmark.training.state import Job, State, Watch, start_or_resume


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
    the best one are kept.

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
        return run_training(
            read_manifest(data),
            Path(run),
            as_config(config),
            runtime=runtime,
            store=store,
            overwrite=overwrite,
        )


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
    folder = RunFolder(run)
    require_teachers(config.train.teachers)
    config = with_recipe(config)
    manifest = with_splits(manifest, config.train)
    task = choose_task(manifest, config.train)
    configured = configure_work(
        manifest, config, folder, runtime=runtime, store=store, overwrite=overwrite
    )
    config = configured.config
    log_data(manifest, task, config.features)
    log_choices(configured)
    folder.refuse_misuse(config, manifest.folder, overwrite=overwrite)
    # Settings that make no network fail before the features are computed.
    require_network(ModelSpec(config, manifest.labels, crop_frames(config), task))
    features = FeatureStore(store, config.features)
    loaders = make_loaders(manifest, task, config, features, runtime)
    spec = ModelSpec(
        *(config, manifest.labels, loaders.window_frames, task),
        silence_label=find_silence_label(
            loaders.train.dataset.clips, features, manifest.labels, config.predict.silence_db
        ),
    )
    require_short_windows(spec)
    table = manifest.to_csv(loaders.prepared.keys, run)
    teachers = load_teachers(spec, table, runtime)
    folder.refuse_other_data(table, config.train.teachers, overwrite=overwrite)
    objective = make_objective(spec, loaders.train.dataset.window_targets, teachers, runtime)
    runtime.wait()
    if runtime.is_main:
        folder.open(config, table, overwrite=overwrite)
        write_choices(configured, folder)
        folder.write_naming(manifest.given, asdict(manifest.naming))
    runtime.wait()
    job = Job(folder, spec, loaders, objective, runtime, watch)
    state = start_or_resume(job)
    run_epochs(job, state)
    result = _result(job, manifest, state, loaders.prepared.skipped)
    return replace(result, recipe=config.recipe.name, choices=configured.choices)


def _result(
    job: Job, manifest: Manifest, state: State, skipped: tuple[FailedFile, ...]
) -> TrainingResult:
    best = load_checkpoint(job.run.best)
    return TrainingResult(
        run=job.run.path,
        data=manifest.given,
        best_epoch=state.stopping.best_epoch,
        epochs=state.stopping.epoch,
        stopped_early=state.stopping.epoch < job.spec.config.train.epochs,
        validation=best.progress["validation"],
        num_parameters=count_parameters(state.model),
        elapsed_seconds=round(sum(line["elapsed_seconds"] for line in state.log), 3),
        skipped=skipped,
    )
