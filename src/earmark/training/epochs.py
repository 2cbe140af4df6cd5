"""The loop over the epochs: train, validate, log and save, until patience or epochs run out."""

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

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
            metrics = runtime.from_main(partial(_metrics, predictions, spec))
            is_best = stopping.update(metrics.get("val_loss"))
            line = {
                "epoch": epoch,
                "train_loss": train_loss,
                **metrics,
                "elapsed_seconds": round(time.perf_counter() - started_at, 3),
            }
            if runtime.world_size > 1:
                line["num_processes"] = runtime.world_size
            state.log.append(line)
            name = "val_loss" if metrics else "train_loss"
            task.advance(note=f"{name} {line[name]:.4f}")
            logger.info(_describe(line, is_best=is_best))
            if runtime.is_main:
                save_epoch(job, state, predictions, is_best=is_best)
            if job.watch is not None:
                job.watch(line)
    if runtime.is_main:
        atomic_write(job.run.path / "loss.png", loss_curve(state.log, stopping.best_epoch))
    runtime.wait()


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
