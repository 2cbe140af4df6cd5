"""Training: epochs of random windows, validation after each, early stopping, checkpoints."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from earmark.config import Config, as_config, with_recipe
from earmark.data.labels import choose_task, log_data
from earmark.data.loaders import Loaders, OrderedLoader, make_loaders
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.silence import find_silence_label
from earmark.data.splits import with_splits
from earmark.errors import FailedFile
from earmark.evaluation.evaluate import predict_clips
from earmark.evaluation.metrics.scores import Predictions, choose_thresholds, score, score_chosen
from earmark.features.store import FeatureStore
from earmark.features.windows import crop_frames
from earmark.models.architectures.registry import AudioModel
from earmark.models.architectures.summary import count_parameters
from earmark.models.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    new_network,
    require_network,
    require_short_windows,
    restore_optimizer,
)
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.runtime import Runtime, place, running, seed_torch
from earmark.tasks.temperature import fit_temperature
from earmark.training.distillation import load_teachers, require_teachers
from earmark.training.early_stopping import EarlyStopping
from earmark.training.optimizer import (
    Objective,
    Optimizer,
    make_objective,
    require_finite,
    train_epoch,
)
from earmark.training.plots import loss_curve
from earmark.training.recipes.configure import configure_work, log_choices, write_choices
from earmark.training.result import TrainingResult

logger = logging.getLogger(__name__)

Watch = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class _Job:
    """What stays the same in all epochs."""

    run: RunFolder
    spec: ModelSpec
    loaders: Loaders
    objective: Objective
    runtime: Runtime
    watch: Watch | None


@dataclass
class _State:
    """What changes from epoch to epoch."""

    model: AudioModel
    optimizer: Optimizer
    stopping: EarlyStopping
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ema_model(self) -> nn.Module:
        """The network that is validated and kept: with averaged weights, where they are."""
        average = self.optimizer.average
        return self.model if average is None else average.module


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
    job = _Job(folder, spec, loaders, objective, runtime, watch)
    state = _start_or_resume(job)
    _run_epochs(job, state)
    result = _result(job, manifest, state, loaders.prepared.skipped)
    return replace(result, recipe=config.recipe.name, choices=configured.choices)


def _start_or_resume(job: _Job) -> _State:
    run, runtime, train = job.run, job.runtime, job.spec.config.train
    seed_torch(train.seed)
    model = new_network(job.spec)
    model.input_norm.fit(*(one.float() for one in job.loaders.train.dataset.band_statistics()))
    place(model, runtime.device)
    optimizer = Optimizer(model, train)
    state = _State(model, optimizer, _early_stopping(job.spec))
    if run.last.exists():
        checkpoint = load_checkpoint(run.last)
        model.load_state_dict(dict(checkpoint.model))
        restore_optimizer(optimizer.adamw, checkpoint.optimizer)
        if optimizer.average is not None:
            optimizer.average.load_state_dict(dict(checkpoint.average))
        state.stopping = _early_stopping(job.spec, checkpoint.progress)
        state.log = run.read_log()[: state.stopping.epoch]
        logger.info(f"resuming after epoch {state.stopping.epoch} of {run.path}")
    return state


def _early_stopping(spec: ModelSpec, progress: Mapping[str, Any] | None = None) -> EarlyStopping:
    """Early stopping from the start, or from the progress in a file."""
    # Every task gives a network that knows nothing, whose logits are zero, the same loss for any
    # target.
    nothing, target = np.zeros((1, spec.num_outputs)), np.eye(1, len(spec.labels))
    chance_loss = float(spec.task.losses(nothing, target)[0])
    train, progress = spec.config.train, progress or {}
    # Files of earlier versions do not have these.
    counted = {
        f"counted_{name}": progress[f"best_{name}"]
        for name in ("loss", "epoch")
        if f"best_{name}" in progress
    }
    return EarlyStopping(train.patience, train.min_delta * chance_loss, **{**counted, **progress})


def _run_epochs(job: _Job, state: _State) -> None:
    spec, loaders, runtime = job.spec, job.loaders, job.runtime
    config, reporter, stopping = spec.config.train, runtime.reporter, state.stopping
    trained = runtime.wrap(state.model)
    with reporter.track("training", config.epochs) as task:
        task.advance(stopping.epoch)
        while stopping.epoch < config.epochs and not stopping.should_stop:
            started_at = time.perf_counter()
            epoch = stopping.epoch + 1
            loaders.train.set_epoch(epoch)
            seed_torch(config.seed, epoch, runtime.rank)
            train_loss = train_epoch(
                trained, state.optimizer, loaders.train, job.objective, runtime, epoch
            )
            runtime.broadcast_buffers(state.ema_model)
            predictions = _validate(state.ema_model, loaders.validation, runtime, spec)
            metrics = _metrics(predictions, spec)
            is_best = stopping.update(metrics.get("val_loss"))
            line = {
                "epoch": epoch,
                "train_loss": train_loss,
                **metrics,
                "elapsed_seconds": round(time.perf_counter() - started_at, 3),
            }
            state.log.append(line)
            name = "val_loss" if metrics else "train_loss"
            task.advance(note=f"{name} {line[name]:.4f}")
            logger.info(_describe(line, is_best=is_best))
            if runtime.is_main:
                _save(job.run, spec, state, predictions, is_best=is_best)
            if job.watch is not None:
                job.watch(line)
    if runtime.is_main:
        atomic_write(job.run.path / "loss.png", loss_curve(state.log, stopping.best_epoch))
    runtime.wait()


def _validate(
    model: nn.Module, loader: OrderedLoader | None, runtime: Runtime, spec: ModelSpec
) -> Predictions | None:
    if loader is None:
        return None
    predictions = predict_clips(model, loader, runtime, spec)
    require_finite(float(predictions.logits.sum()), "sum of the validation logits")
    return predictions


def _metrics(predictions: Predictions | None, spec: ModelSpec) -> dict[str, Any]:
    """The validation metrics of a log line."""
    if predictions is None:
        return {}
    scores = score(predictions, spec.labels)
    return {
        "val_loss": scores.loss,
        "val_accuracy": scores.accuracy,
        **({"val_map": scores.ranks.mean_average_precision} if scores.ranks else {}),
    }


def _describe(line: Mapping[str, Any], *, is_best: bool) -> str:
    names = ("train_loss", "val_loss", "val_accuracy", "val_map")
    metrics = (f"  {name} {line[name]:.4f}" for name in names if line.get(name) is not None)
    best = "  best" if is_best and "val_loss" in line else ""
    return f"epoch {line['epoch']:3d}" + "".join(metrics) + best


def _save(
    run: RunFolder,
    spec: ModelSpec,
    state: _State,
    predictions: Predictions | None,
    *,
    is_best: bool,
) -> None:
    """Writes the best weights, the log and, last of all, the state to resume from."""
    stopping = state.stopping
    if is_best:
        fitted, validation = spec, None
        if predictions is not None:
            fitted = _fit_rule(spec, predictions)
            # The loss is that of the log, before calibration: it was fitted on these clips.
            rows = fitted.rule.without_abstention.decide(predictions.logits).chosen
            validation = score_chosen(predictions, rows, spec.labels).to_dict()
        progress = {"epoch": stopping.epoch, "validation": validation}
        Checkpoint(fitted, state.ema_model.state_dict(), progress=progress).save(run.best)
    run.write_log(state.log)
    progress = {
        "epoch": stopping.epoch,
        "best_epoch": stopping.best_epoch,
        "counted_epoch": stopping.counted_epoch,
        **(
            {"best_loss": stopping.best_loss, "counted_loss": stopping.counted_loss}
            if predictions is not None
            else {}
        ),
    }
    average = state.optimizer.average
    Checkpoint(
        spec,
        state.model.state_dict(),
        flatten_optimizer(state.optimizer.adamw),
        progress,
        average.state_dict() if average is not None else {},
    ).save(run.last)


def _fit_rule(spec: ModelSpec, validation: Predictions) -> ModelSpec:
    """The specification with temperature and thresholds fitted to the validation clips."""
    temperature = fit_temperature(validation.logits, validation.targets, spec.task)
    calibrated = replace(validation, logits=validation.logits / temperature)
    thresholds = choose_thresholds(calibrated)
    return replace(spec, chosen_thresholds=thresholds, temperature=temperature)


def _result(
    job: _Job, manifest: Manifest, state: _State, skipped: tuple[FailedFile, ...]
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
