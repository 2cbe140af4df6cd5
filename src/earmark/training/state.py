"""The state of a training: made anew, saved after each epoch, restored to resume."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from earmark.data.loaders import Loaders
from earmark.evaluation.metrics.scores import Predictions, score_chosen
from earmark.evaluation.result import Evaluation
from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    new_network,
    restore_optimizer,
)
from earmark.models.run_folder import RunFolder
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.runtime import Runtime, place, seed_torch
from earmark.training.early_stopping import EarlyStopping
from earmark.training.optimizer import Objective, Optimizer
from earmark.training.rule import fit_rule
from earmark.training.start import Start

logger = logging.getLogger(__name__)

Watch = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Job:
    """What stays the same in all epochs.

    Args:
        run: Where results and state are saved.
        spec: What the network needs beside its weights.
        table: Text of ``recordings.csv``.
        loaders: The clips.
        objective: What is minimised.
        runtime: Where to compute.
        watch: Called with the log line of each epoch once that is saved.
        validation: Metrics of the first training, where this one is the refit.
        start: The run whose weights the first epoch starts from; without one they are random.
        is_ahead: Whether the first training has not ended, so that the decision rule is not known:
            only the state to resume from is saved, and no model, and the last epoch is left.
    """

    run: RunFolder
    spec: ModelSpec
    table: str
    loaders: Loaders
    objective: Objective
    runtime: Runtime
    watch: Watch | None = None
    validation: Mapping[str, Any] | None = None
    start: Start | None = None
    is_ahead: bool = False


@dataclass
class State:
    """What changes from epoch to epoch."""

    model: AudioModel
    optimizer: Optimizer
    stopping: EarlyStopping
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ema_model(self) -> AudioModel:
        """The network that is validated and kept: with averaged weights, where they are."""
        average = self.optimizer.average
        model = self.model if average is None else average.module
        assert isinstance(model, AudioModel)
        return model


def start_or_resume(job: Job) -> State:
    """A state before the first epoch, or that of the last epoch in the run folder."""
    run, runtime, train = job.run, job.runtime, job.spec.config.train
    seed_torch(train.seed)
    model = new_network(job.spec)
    if job.start is None:
        model.input_norm.fit(*(one.float() for one in job.loaders.train.dataset.band_statistics()))
    else:
        job.start.copy_weights(model, job.spec)
    place(model, runtime.device)
    optimizer = Optimizer(model, train)
    state = State(model, optimizer, _early_stopping(job.spec))
    last = runtime.from_main(partial(_read_last, run))
    if last is not None:
        checkpoint, log = last
        model.load_state_dict(dict(checkpoint.model))
        restore_optimizer(optimizer.adamw, checkpoint.optimizer)
        if optimizer.average is not None:
            optimizer.average.load_state_dict(dict(checkpoint.average))
        state.stopping = _early_stopping(job.spec, checkpoint.progress)
        state.log = log[: state.stopping.epoch]
        logger.info(f"resuming after epoch {state.stopping.epoch} of {run.path}")
        _note_other_batches(job, state)
    return state


def _read_last(run: RunFolder) -> tuple[Checkpoint, list[dict[str, Any]]] | None:
    """The state of the last epoch and the log; None where no epoch has ended."""
    return (load_checkpoint(run.last), run.read_log()) if run.last.exists() else None


def _note_other_batches(job: Job, state: State) -> None:
    """Logs that the epochs so far were trained by another number of processes."""
    before = state.log[-1].get("num_processes", 1) if state.log else job.runtime.world_size
    now, size = job.runtime.world_size, job.spec.config.train.batch_size
    if before != now and state.stopping.epoch < job.spec.config.train.epochs:
        logger.info(
            f"note: the number of processes was {before} and is {now}: a step now takes "
            f"{now * size} windows, not {before * size} (train.batch_size for each process)"
        )


def _early_stopping(spec: ModelSpec, progress: Mapping[str, Any] | None = None) -> EarlyStopping:
    """Early stopping from the start, or from the progress in a file."""
    # Every task gives a network that knows nothing, whose logits are zero, the same loss for any
    # target.
    nothing, target = np.zeros((1, spec.num_outputs)), np.eye(1, len(spec.labels))
    chance_loss = float(spec.task.losses(nothing, target)[0])
    train, progress = spec.config.train, progress or {}
    # Files of earlier versions do not have these.
    counting = {
        f"counted_{name}": progress[f"best_{name}"]
        for name in ("loss", "epoch")
        if f"best_{name}" in progress
    }
    return EarlyStopping(train.patience, train.min_delta * chance_loss, **{**counting, **progress})


def save_epoch(job: Job, state: State, predictions: Predictions | None, *, is_best: bool) -> None:
    """Writes the best weights, the log and, last of all, the state to resume from."""
    run, spec, stopping = job.run, job.spec, state.stopping
    if is_best and not job.is_ahead:
        fitted, validation = spec, job.validation
        if predictions is not None:
            fitted = fit_rule(spec, predictions)
            # The loss is that of the log, before calibration: it was fitted on these clips.
            rows = fitted.rule.without_abstention.decide(predictions.logits).chosen
            validation = score_chosen(predictions, rows, spec.labels).to_dict()
            decided = Evaluation(predictions, spec.labels, fitted.rule.without_abstention)
            atomic_write(run.validation, decided.to_csv())
        progress = {"epoch": stopping.epoch, "validation": validation}
        if job.start is not None:
            progress["start"] = job.start.describe(spec.labels)
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
