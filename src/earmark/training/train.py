"""Training: from data and settings to a run folder with a network."""

from dataclasses import replace
from pathlib import Path

from earmark.config import Config, as_config, with_recipe
from earmark.data.background import with_background
from earmark.data.labels import choose_task, log_data
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.splits import with_splits
from earmark.errors import ConfigError
from earmark.features.store import default_root
from earmark.models.run_folder import RunFolder
from earmark.system.processes import may_restart
from earmark.system.runtime import Runtime, running, warn_of_emulation
from earmark.training.baseline import with_baseline
from earmark.training.candidates.budget import searches
from earmark.training.candidates.record import read_search
from earmark.training.candidates.run import remove_search, search
from earmark.training.distillation import require_teachers
from earmark.training.fitting import Execution, Labelled, first_training, fit_network
from earmark.training.recipes.configure import configure_work, log_choices
from earmark.training.result import TrainingResult
from earmark.training.start import continue_settings, log_start, open_start
from earmark.training.start_splits import SplitKeeper
from earmark.training.state import Watch


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
    recordings follows, whose last weights are kept. With ``train.start_from`` it starts from the
    weights of an earlier run, with its settings and splits.

    Args:
        data: A folder or a manifest; missing splits are assigned.
        run: The run folder; `RunFolder` lists its files.
        config: All settings, or a TOML file of them.
        device: Where to compute.
        store: Folder of the feature store; the shared one by default.
        overwrite: Start again in a folder that holds another run.

    Raises:
        ConfigError: A setting is wrong, or a teacher or the run to start from is missing or does
            not fit.
        DataError: The data cannot be trained on.
        TrainingError: The folder is not free for this run, or the loss is no longer finite.

    Example:
        >>> import earmark, tempfile
        >>> from earmark.data.demo import demo_data
        >>> config = earmark.load_config(settings=["recipe.name=classic", "train.epochs=1"])
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
    if overwrite and may_restart():
        raise ConfigError(
            "--overwrite with --max-restarts: a restart would delete what was trained before it; "
            f"delete {run} yourself, and leave --overwrite out"
        )
    run_folder, start = RunFolder(run), open_start(config)
    config = continue_settings(config, start) if start else with_recipe(config)
    require_teachers(config.train.teachers)
    given = _divide(manifest, first_training(config), runtime, store)
    held_out = first_training(config).train
    manifest = with_background(given, held_out)
    task = choose_task(manifest, held_out)
    configured = configure_work(
        manifest, config, run_folder, runtime=runtime, store=store, overwrite=overwrite
    )
    config = configured.config
    log_data(manifest, task, config.features)
    log_choices(configured)
    warn_of_emulation(config.train.precision, runtime.device)
    if start:
        log_start(start, manifest.labels)
    labelled = Labelled(given, manifest, task)
    execution = Execution(runtime, store, overwrite=overwrite, watch=watch)
    if overwrite and not config.train.teachers and runtime.is_main:
        remove_search(run_folder)
    if searches(configured, runtime):
        configured = search(labelled, run_folder, configured, execution)
    found = read_search(run_folder)
    result = fit_network(labelled, run_folder, configured, execution)
    # One that was interrupted has no part in a run with another budget.
    belongs = found and found.choice and found.minutes == config.recipe.minutes
    return replace(result, candidates=found if belongs else None)


def _divide(
    manifest: Manifest, config: Config, runtime: Runtime, store: Path | str | None
) -> Manifest:
    """The data with splits: those of the earlier run go on, if the training starts from one."""
    start = open_start(config)
    if start is None:
        return with_splits(manifest, config.train)
    root = default_root() if store is None else Path(store)
    with runtime.main_first():
        keeper = SplitKeeper(start, manifest, root, runtime.reporter)
    given = with_splits(manifest, config.train, keeper.placed)
    keeper.refuse_leaks(given)
    return given
