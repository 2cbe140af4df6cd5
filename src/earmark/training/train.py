"""Training: epochs of random windows, validation after each, early stopping, whole checkpoints."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from earmark.config import Config
from earmark.data.labels import choose_task, log_data
from earmark.data.loaders import Loaders, OrderedLoader, make_loaders
from earmark.data.manifest import Manifest
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
    require_short_windows,
    restore_optimizer,
)
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.runtime import Runtime, place, seed_torch
from earmark.tasks.temperature import fit_temperature
from earmark.training.distillation import load_teachers
from earmark.training.optimizer import (
    Objective,
    Optimizer,
    make_objective,
    require_finite,
    train_epoch,
)
from earmark.training.plots import loss_curve

logger = logging.getLogger(__name__)

Watch = Callable[[Mapping[str, Any]], None]


@dataclass
class EarlyStopping:
    """Stops when the validation loss has not become better for some epochs.

    Args:
        patience: Epochs without a better loss before stopping.
        min_delta: A loss is better when it is lower than the best by more than this.
    """

    patience: int
    min_delta: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    epoch: int = 0

    def update(self, loss: float | None) -> bool:
        """Counts an epoch; whether it is the best so far, as the last one without a loss is."""
        self.epoch += 1
        if loss is None:
            self.best_epoch = self.epoch
        elif loss < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch = loss, self.epoch
        return self.best_epoch == self.epoch

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.epoch - self.best_epoch >= self.patience


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave.

    Args:
        run: The run folder.
        best_epoch: Epoch of the weights that are kept, counted from 1.
        epochs: Epochs that were trained.
        stopped_early: Whether patience ran out before the largest number of epochs.
        validation: Figures of the best epoch; None where nothing was validated.
        num_parameters: Trainable parameters of the network.
        elapsed_seconds: Time spent in the epochs, over all sittings.
        skipped: Recordings that could not be used.
    """

    run: Path
    best_epoch: int
    epochs: int
    stopped_early: bool
    validation: dict[str, Any] | None
    num_parameters: int
    elapsed_seconds: float
    skipped: tuple[FailedFile, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What ``train --json`` prints."""
        skipped = [one.to_dict() for one in self.skipped]
        return {**asdict(self), "run": str(self.run), "skipped": skipped}


@dataclass(frozen=True)
class _Job:
    """Everything that is the same in all epochs."""

    run: RunFolder
    spec: ModelSpec
    loaders: Loaders
    objective: Objective
    runtime: Runtime
    watch: Watch | None


@dataclass
class _State:
    """Everything that changes from epoch to epoch."""

    model: AudioModel
    steps: Optimizer
    stopping: EarlyStopping
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def judged(self) -> nn.Module:
        """What is validated and kept: the network, or the average of its weights."""
        average = self.steps.average
        return self.model if average is None else average.module


def train(  # noqa: PLR0913 - one more than the rule: who watches is no setting
    manifest: Manifest,
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> TrainingResult:
    """Trains a network and leaves a run folder; an interrupted run goes on where it stopped.

    Args:
        manifest: The data, as read; missing splits are assigned.
        run: The run folder; `RunFolder` says what it will hold.
        config: All settings.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        overwrite: Start again in a folder that holds another run.
        watch: Called with the log line of each epoch once that is saved; what it raises ends the
            training.

    Raises:
        DataError: The data cannot be trained on.
        TrainingError: The folder is not free for this run, or the loss is no longer finite.
    """
    folder = RunFolder(run)
    manifest = with_splits(manifest, config.train)
    task = choose_task(manifest, config.train)
    log_data(manifest, task)
    folder.refuse_misuse(config, manifest.folder, overwrite=overwrite)
    # Settings that cannot make a network are told before the features are computed, not after.
    new_network(ModelSpec(config, manifest.labels, crop_frames(config), task))
    store = FeatureStore(store_root, config.features)
    loaders = make_loaders(manifest, task, config, store, runtime)
    spec = ModelSpec(config, manifest.labels, loaders.window_frames, task)
    require_short_windows(spec)
    table = manifest.to_csv(loaders.prepared.keys)
    teachers = load_teachers(spec, table, runtime)
    folder.refuse_other_data(table, config.train.teachers, overwrite=overwrite)
    objective = make_objective(spec, loaders.train.dataset.window_targets, teachers, runtime)
    runtime.wait()
    if runtime.is_main:
        folder.open(config, table, overwrite=overwrite)
    runtime.wait()
    job = _Job(folder, spec, loaders, objective, runtime, watch)
    state = _start_or_resume(job)
    _run_epochs(job, state)
    return _result(folder, config, state, loaders.prepared.skipped)


def _start_or_resume(job: _Job) -> _State:
    run, runtime, train = job.run, job.runtime, job.spec.config.train
    seed_torch(train.seed)
    model = new_network(job.spec)
    model.input_norm.fit(*(one.float() for one in job.loaders.train.dataset.band_statistics()))
    place(model, runtime.device)
    steps = Optimizer(model, train)
    state = _State(model, steps, EarlyStopping(train.patience, train.min_delta))
    if run.last.exists():
        checkpoint = load_checkpoint(run.last)
        model.load_state_dict(dict(checkpoint.model))
        restore_optimizer(steps.optimizer, checkpoint.optimizer)
        if steps.average is not None:
            steps.average.load_state_dict(dict(checkpoint.average))
        state.stopping = EarlyStopping(train.patience, train.min_delta, **checkpoint.progress)
        state.log = run.read_log()[: state.stopping.epoch]
        logger.info(f"going on after epoch {state.stopping.epoch} of {run.path}")
    return state


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
                trained, state.steps, loaders.train, job.objective, runtime, epoch
            )
            runtime.broadcast_buffers(state.judged)
            predictions = _validate(state.judged, loaders.validation, runtime, spec)
            figures = _figures(predictions, spec)
            is_best = stopping.update(figures.get("val_loss"))
            line = {
                "epoch": epoch,
                "train_loss": train_loss,
                **figures,
                "elapsed_seconds": round(time.perf_counter() - started_at, 3),
            }
            state.log.append(line)
            name = "val_loss" if figures else "train_loss"
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


def _figures(predictions: Predictions | None, spec: ModelSpec) -> dict[str, Any]:
    """What a line of the log says of validation."""
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
    figures = (f"  {name} {line[name]:.4f}" for name in names if line.get(name) is not None)
    best = "  best" if is_best and "val_loss" in line else ""
    return f"epoch {line['epoch']:3d}" + "".join(figures) + best


def _save(
    run: RunFolder,
    spec: ModelSpec,
    state: _State,
    predictions: Predictions | None,
    *,
    is_best: bool,
) -> None:
    """Writes the best weights, the log and, last of all, the state to go on from."""
    stopping = state.stopping
    if is_best:
        chosen, validation = spec, None
        if predictions is not None:
            chosen = _fit_rule(spec, predictions)
            # The loss is that of the log: what was fitted to these clips is no judge of them.
            given = chosen.rule.without_abstention.decide(predictions.logits).chosen
            validation = score_chosen(predictions, given, spec.labels).to_dict()
        progress = {"epoch": stopping.epoch, "validation": validation}
        Checkpoint(chosen, state.judged.state_dict(), progress=progress).save(run.best)
    run.write_log(state.log)
    progress = {
        "epoch": stopping.epoch,
        "best_epoch": stopping.best_epoch,
        **({"best_loss": stopping.best_loss} if predictions is not None else {}),
    }
    average = state.steps.average
    Checkpoint(
        spec,
        state.model.state_dict(),
        flatten_optimizer(state.steps.optimizer),
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
    run: RunFolder, config: Config, state: _State, skipped: tuple[FailedFile, ...]
) -> TrainingResult:
    best = load_checkpoint(run.best)
    return TrainingResult(
        run=run.path,
        best_epoch=state.stopping.best_epoch,
        epochs=state.stopping.epoch,
        stopped_early=state.stopping.epoch < config.train.epochs,
        validation=best.progress["validation"],
        num_parameters=count_parameters(state.model),
        elapsed_seconds=round(sum(line["elapsed_seconds"] for line in state.log), 3),
        skipped=skipped,
    )
