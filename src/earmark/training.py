"""Training: epochs of random windows, validation after each, early stopping, whole checkpoints."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from earmark.checkpoint import (
    Checkpoint,
    ModelCard,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
)
from earmark.config import Config
from earmark.data import (
    AudioDataset,
    Batch,
    OrderedLoader,
    TrainingLoader,
    choose_window_frames,
    crop_frames,
    prepare_once,
    require_single_labels,
    usable_clips,
)
from earmark.errors import DataError, TrainingError
from earmark.evaluation import predict_clips
from earmark.files import write_whole
from earmark.manifest import Manifest
from earmark.metrics import Scores, score
from earmark.models import AudioModel, count_parameters
from earmark.plots import loss_curve
from earmark.preparation import ContentSet, Prepared, Skipped
from earmark.runs import RunFolder
from earmark.runtime import Runtime, place, seed_torch
from earmark.splits import with_splits
from earmark.store import FeatureStore, default_root


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

    def update(self, loss: float) -> bool:
        """Counts an epoch; whether its loss is the best so far."""
        self.epoch += 1
        if loss < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch = loss, self.epoch
            return True
        return False

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
        validation: Figures of the best epoch.
        num_parameters: Trainable parameters of the network.
        elapsed_seconds: Time spent in the epochs, over all sittings.
        skipped: Recordings that could not be used.
    """

    run: Path
    best_epoch: int
    epochs: int
    stopped_early: bool
    validation: dict[str, Any]
    num_parameters: int
    elapsed_seconds: float
    skipped: tuple[Skipped, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What ``train --json`` prints."""
        skipped = [one.to_dict() for one in self.skipped]
        return {**asdict(self), "run": str(self.run), "skipped": skipped}


@dataclass(frozen=True)
class _Loaders:
    train: TrainingLoader
    validation: OrderedLoader


@dataclass
class _State:
    """Everything that changes from epoch to epoch."""

    model: AudioModel
    optimizer: torch.optim.Optimizer
    stopping: EarlyStopping
    log: list[dict[str, Any]] = field(default_factory=list)


def train(
    manifest: Manifest,
    run: Path,
    config: Config,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    overwrite: bool = False,
) -> TrainingResult:
    """Trains a network and leaves a run folder; an interrupted run goes on where it stopped.

    Args:
        manifest: The data, as read; missing splits are assigned.
        run: The run folder; `RunFolder` says what it will hold.
        config: All settings.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        overwrite: Start again in a folder that holds another run.

    Raises:
        DataError: The data cannot be trained on.
        TrainingError: The folder is not free for this run, or the loss is no longer finite.
    """
    folder = RunFolder(run)
    manifest = with_splits(manifest, config.train)
    _check_task(manifest)
    folder.refuse_misuse(config, manifest.source, overwrite=overwrite)
    # Settings that cannot make a network are told before the features are computed, not after.
    ModelCard(config, manifest.labels, crop_frames(config)).build()
    runtime.reporter.info(f"data: {manifest.summary()}")
    for note in manifest.notes:
        runtime.reporter.info(f"note: {note}")
    store = FeatureStore(store_root or default_root(), config.features)
    learnt_from = (*manifest.split("train"), *manifest.split("validation"))
    prepared = prepare_once(learnt_from, store, runtime)
    loaders = _make_loaders(manifest, prepared, store, config, runtime)
    card = ModelCard(config, manifest.labels, loaders.train.windows.window_frames)
    table = manifest.to_csv(prepared.keys)
    folder.refuse_other_data(table, overwrite=overwrite)
    runtime.wait()
    if runtime.is_main:
        folder.open(config, table, overwrite=overwrite)
    runtime.wait()
    state = _start_or_resume(folder, card, loaders, runtime)
    _run_epochs(folder, card, state, loaders, runtime)
    return _result(folder, config, state, prepared.skipped)


def _check_task(manifest: Manifest) -> None:
    require_single_labels(manifest)
    if len(manifest.labels) != 2:
        raise DataError(
            f"{manifest.source}: two labels are needed to train; found {len(manifest.labels)}: "
            f"{', '.join(manifest.labels[:5])}"
        )
    for split in ("train", "validation"):
        present = {label for one in manifest.split(split) for label in one.labels}
        missing = sorted(set(manifest.labels) - present)
        if missing:
            raise DataError(f"{manifest.source}: no {missing[0]!r} in the {split} split; add some")


def _make_loaders(
    manifest: Manifest, prepared: Prepared, store: FeatureStore, config: Config, runtime: Runtime
) -> _Loaders:
    train_clips = usable_clips(manifest, prepared, "train")
    validation_clips = usable_clips(manifest, prepared, "validation")
    trained = ContentSet(clip.key for clip in train_clips)
    repeated = {clip for clip in validation_clips if clip.key in trained}
    validation_clips = [clip for clip in validation_clips if clip not in repeated]
    for clip in sorted(repeated, key=lambda clip: clip.name):
        runtime.reporter.warn(f"left out of validation: {clip.name} is in the training split too")
    for split, usable in (("train", train_clips), ("validation", validation_clips)):
        if len({clip.target for clip in usable}) < len(manifest.labels):
            raise DataError(f"{manifest.source}: a label has no usable clip in the {split} split")
    lengths = [store.num_frames(clip.key) for clip in train_clips]
    window_frames = choose_window_frames(lengths, config)
    training = AudioDataset(store, train_clips, window_frames, crops=config.train)
    if len(training) < runtime.world_size:
        raise TrainingError(
            f"{len(training)} training windows cannot be shared by {runtime.world_size} processes; "
            "start fewer"
        )
    overlap = config.predict.overlap
    validation = AudioDataset(store, validation_clips, window_frames, overlap=overlap)
    return _Loaders(
        TrainingLoader(training, config.train, runtime), OrderedLoader(validation, runtime)
    )


def _start_or_resume(
    run: RunFolder, card: ModelCard, loaders: _Loaders, runtime: Runtime
) -> _State:
    train = card.config.train
    seed_torch(train.seed)
    model = card.build()
    model.input_norm.fit(*(one.float() for one in loaders.train.windows.band_statistics()))
    place(model, runtime.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay
    )
    state = _State(model, optimizer, EarlyStopping(train.patience, train.min_delta))
    if run.last.exists():
        checkpoint = load_checkpoint(run.last)
        model.load_state_dict(dict(checkpoint.model))
        restore_optimizer(optimizer, checkpoint.optimizer)
        state.stopping = EarlyStopping(train.patience, train.min_delta, **checkpoint.progress)
        state.log = run.read_log()[: state.stopping.epoch]
        runtime.reporter.info(f"going on after epoch {state.stopping.epoch} of {run.path}")
    return state


def _run_epochs(
    run: RunFolder, card: ModelCard, state: _State, loaders: _Loaders, runtime: Runtime
) -> None:
    config, reporter, stopping = card.config.train, runtime.reporter, state.stopping
    trained = runtime.wrap(state.model)
    with reporter.track("training", config.epochs) as task:
        task.advance(stopping.epoch)
        while stopping.epoch < config.epochs and not stopping.should_stop:
            started_at = time.perf_counter()
            epoch = stopping.epoch + 1
            loaders.train.set_epoch(epoch)
            seed_torch(config.seed, epoch, runtime.rank)
            train_loss = train_epoch(trained, state.optimizer, loaders.train, runtime)
            runtime.broadcast_buffers(state.model)
            predictions = predict_clips(state.model, loaders.validation, runtime)
            _require_finite(float(predictions.logits.sum()), "sum of the validation logits")
            scores = score(predictions, card.labels)
            is_best = stopping.update(scores.loss)
            line = {
                "epoch": epoch,
                "train_loss": train_loss,
                "val_loss": scores.loss,
                "val_accuracy": scores.accuracy,
                "elapsed_seconds": round(time.perf_counter() - started_at, 3),
            }
            state.log.append(line)
            task.advance(note=f"val_loss {scores.loss:.4f}")
            reporter.info(_describe(line, is_best=is_best))
            if runtime.is_main:
                _save(run, card, state, scores if is_best else None)
    if runtime.is_main:
        write_whole(run.path / "loss.png", loss_curve(state.log, stopping.best_epoch))
    runtime.wait()


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Iterable[Batch],
    runtime: Runtime,
) -> float:
    """Trains on every batch once; the mean loss over their windows, in nats.

    Args:
        model: The network, wrapped for the processes at work; put in training mode.
        optimizer: Steps once a batch.
        loader: Batches of windows.
        runtime: Where to compute.

    Raises:
        TrainingError: The loss is not finite.
    """
    model.train()
    losses, counts = [], []
    for batch in loader:
        targets = batch.targets.to(runtime.device)
        logits = model(batch.log_mel.to(runtime.device))
        loss = binary_cross_entropy_with_logits(logits[:, 0], targets.float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        # Kept on the device: reading it here would make every step wait for the last.
        losses.append(loss.detach())
        counts.append(len(targets))
    numbers = torch.tensor(counts, dtype=torch.float64)
    loss_sum = (torch.stack(losses).cpu().double() * numbers).sum()
    mean = float(runtime.all_sum(loss_sum) / runtime.all_sum(numbers.sum()))
    _require_finite(mean, "training loss")
    return mean


def _require_finite(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value}; lower train.learning_rate (the last good epoch is kept)"
        )


def _describe(line: Mapping[str, Any], *, is_best: bool) -> str:
    return (
        f"epoch {line['epoch']:3d}  train_loss {line['train_loss']:.4f}  "
        f"val_loss {line['val_loss']:.4f}  val_accuracy {line['val_accuracy']:.4f}"
        f"{'  best' if is_best else ''}"
    )


def _save(run: RunFolder, card: ModelCard, state: _State, best_scores: Scores | None) -> None:
    """Writes the best weights, the log and, last of all, the state to go on from."""
    weights = state.model.state_dict()
    stopping = state.stopping
    if best_scores is not None:
        progress = {"epoch": stopping.epoch, "validation": best_scores.to_dict()}
        Checkpoint(card, weights, progress=progress).save(run.best)
    run.write_log(state.log)
    progress = {
        "epoch": stopping.epoch,
        "best_epoch": stopping.best_epoch,
        "best_loss": stopping.best_loss,
    }
    optimizer = flatten_optimizer(state.optimizer)
    Checkpoint(card, weights, optimizer, progress).save(run.last)


def _result(
    run: RunFolder, config: Config, state: _State, skipped: tuple[Skipped, ...]
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
