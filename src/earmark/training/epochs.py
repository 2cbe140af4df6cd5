"""The loop over the epochs: train, validate, log and save, until patience or epochs run out."""

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from earmark.data.loaders import OrderedLoader
from earmark.evaluation.evaluate import predict_clips
from earmark.evaluation.metrics.scores import Predictions, score
from earmark.models.architectures.registry import AudioModel
from earmark.models.spec import ModelSpec
from earmark.system.files import atomic_write
from earmark.system.runtime import Runtime, seed_torch
from earmark.training.optimizer import require_finite, train_epoch
from earmark.training.plots import loss_curve
from earmark.training.state import Job, State, save_epoch

logger = logging.getLogger(__name__)


def run_epochs(job: Job, state: State) -> None:
    """Trains the epochs that are left, saves each, and draws the loss curve."""
    config, runtime, stopping = job.spec.config.train, job.runtime, state.stopping
    # A finished state without a model would resume to none.
    last_epoch = config.epochs - 1 if job.is_ahead else config.epochs
    trained = runtime.wrap(state.model)
    with runtime.reporter.track("training", config.epochs) as task:
        task.advance(stopping.epoch)
        while stopping.epoch < last_epoch and not stopping.should_stop:
            line, predictions = _run_epoch(job, state, trained)
            is_best = stopping.update(line.get("val_loss"))
            state.log.append(line)
            name = "val_loss" if "val_loss" in line else "train_loss"
            task.advance(note=f"{name} {line[name]:.4f}")
            logger.info(_describe(line, is_best=is_best))
            if runtime.is_main:
                save_epoch(job, state, predictions, is_best=is_best)
            if job.watch is not None:
                job.watch(line)
    if runtime.is_main:
        atomic_write(job.run.path / "loss.png", loss_curve(state.log, stopping.best_epoch))
    runtime.wait()


def _run_epoch(
    job: Job, state: State, trained: nn.Module
) -> tuple[dict[str, Any], Predictions | None]:
    """The log line of the next epoch, and its predictions of the validation clips."""
    loaders, runtime, seed = job.loaders, job.runtime, job.spec.config.train.seed
    started_at = time.perf_counter()
    epoch = state.stopping.epoch + 1
    loaders.train.set_epoch(epoch)
    seed_torch(seed, epoch, runtime.rank)
    train_loss = train_epoch(trained, state.optimizer, loaders.train, job.objective, runtime, epoch)
    runtime.broadcast_buffers(state.ema_model)
    predictions = _validate(state.ema_model, loaders.validation, runtime, job.spec)
    line = {
        "epoch": epoch,
        "train_loss": train_loss,
        **runtime.from_main(partial(_metrics, predictions, job.spec)),
        "elapsed_seconds": round(time.perf_counter() - started_at, 3),
    }
    if runtime.world_size > 1:
        line["num_processes"] = runtime.world_size
    return line, predictions


def _validate(
    model: AudioModel, loader: OrderedLoader | None, runtime: Runtime, spec: ModelSpec
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
