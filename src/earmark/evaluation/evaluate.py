"""Judging clips: validation after each epoch, and the test, once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from earmark.data.dataset import AudioDataset, Clip, OrderedLoader, prepare_once
from earmark.data.manifest import Manifest
from earmark.data.stretches import StretchDataset, stretch_grid
from earmark.errors import ConfigError
from earmark.evaluation.held_out import check_labels, read_seen, test_part, unseen_clips
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.provenance import trace
from earmark.evaluation.result import Evaluation, WindowScores
from earmark.features.levels import peak_level_db
from earmark.features.store import FeatureStore, default_root
from earmark.features.windows import clip_logits
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelCard
from earmark.system.runtime import Runtime, place
from earmark.tasks.task import Task


def predict_clips(
    model: nn.Module, loader: OrderedLoader, runtime: Runtime, card: ModelCard
) -> Predictions:
    """Judges every clip of a loader; with many processes each does a share of the batches.

    Args:
        model: The network itself, not one wrapped for training; it is put in evaluation mode.
        loader: Windows in order.
        runtime: Where to compute.
        card: What the labels mean, and how the windows of a clip decide.

    Returns:
        The same logits whatever the number of processes.
    """
    windows = loader.windows
    logits = window_logits(model, loader, runtime, task=card.task)
    pooling = card.config.predict.pooling
    pooled = clip_logits(logits, windows.window_clips, task=card.task, pooling=pooling)
    return Predictions(windows.clips, pooled, card.task)


def window_logits(
    model: nn.Module, loader: OrderedLoader, runtime: Runtime, *, task: Task
) -> Float64[np.ndarray, "windows outputs"]:
    """Logits of every window of a loader; with many processes each does a share of the batches.

    Args:
        model: As for `predict_clips`.
        loader: Windows in order.
        runtime: Where to compute.
        task: What the logits mean.
    """
    windows = loader.windows
    num_outputs = task.num_outputs(windows.targets.shape[1])
    logits = torch.zeros(len(windows), num_outputs, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        for batch in loader:
            output = model(batch.log_mel.to(runtime.device)).cpu().double()
            logits[batch.windows] = output
    # Each row is written by one process and zero elsewhere, so the sum is exact.
    return runtime.all_sum(logits).numpy()


def _judge_stretches(
    model: nn.Module,
    store: FeatureStore,
    clips: Sequence[Clip],
    card: ModelCard,
    runtime: Runtime,
) -> WindowScores | None:
    """Figures over stretches, where they are asked for: each is judged as a clip no longer."""
    if card.config.evaluate.window_seconds is None:
        return None
    stretches = StretchDataset(store, clips, card.config, num_labels=len(card.labels))
    loader = OrderedLoader(stretches, runtime)
    logits = window_logits(model, loader, runtime, task=card.task)
    targets = stretches.targets[stretches.window_clips]
    levels_db = np.array(
        [
            peak_level_db(stretches.frames(index), card.config.features)
            for index in range(len(stretches))
        ]
    )
    decided = card.rule.decide(logits, levels_db)
    return WindowScores(
        seconds=stretches.seconds,
        num_windows=len(stretches),
        num_correct=int(decided.are_right(targets).sum()),
        loss=float(card.task.losses(card.rule.calibrate(logits), targets).mean()),
    )


def evaluate(
    checkpoint: Checkpoint,
    manifest: Manifest,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    run: Path | None = None,
) -> Evaluation:
    """Tests a model on the test split, which takes no part in training or validation.

    Data without splits are tested on what the run has not seen: the recordings whose content and
    group took no part in its training or validation.

    Args:
        checkpoint: The model.
        manifest: The data, as read.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one when it is not given.
        run: The model's run folder, which knows what was trained on.

    Raises:
        DataError: Nothing is left to test on, or test clips were trained on.
        ConfigError: ``evaluate.window_seconds`` is too short for the network.
    """
    card = checkpoint.card
    check_labels(manifest, card)
    require_stretches(card)
    seen = read_seen(run)
    part = test_part(manifest, seen, card.labels, runtime)
    store = FeatureStore(store_root or default_root(), card.config.features)
    prepared = prepare_once(part.recordings, store, runtime)
    clips = unseen_clips(part, prepared, seen, was_split=manifest.has_splits)
    left_out = len(manifest) - len(clips) - len(prepared.skipped)
    if left_out and not manifest.has_splits:
        runtime.reporter.info(f"note: {left_out} recordings that training has seen are left out")
    windows = AudioDataset(
        store,
        clips,
        card.window_frames,
        overlap=card.config.predict.overlap,
        num_labels=len(card.labels),
    )
    model = place(checkpoint.build(), runtime.device)
    predictions = predict_clips(model, OrderedLoader(windows, runtime), runtime, card)
    return Evaluation(
        uncalibrated=predictions,
        labels=card.labels,
        rule=card.rule,
        levels_db=np.array([peak_level_db(store[one.key], store.config) for one in clips]),
        settings=card.config.evaluate,
        skipped=prepared.skipped,
        windows=_judge_stretches(model, store, clips, card, runtime),
        commonest=seen.commonest if seen else None,
        provenance=trace(checkpoint, model, clips, runtime.device),
    )


def require_stretches(card: ModelCard) -> None:
    """Checks, before any work, that stretches of ``evaluate.window_seconds`` can be judged.

    Raises:
        ConfigError: The network leaves nothing of them.
    """
    config = card.config
    if config.evaluate.window_seconds is not None:
        grid = stretch_grid(config.evaluate.window_seconds, config.features)
        try:
            new_network(replace(card, window_frames=grid.num_frames))
        except ConfigError as error:
            raise ConfigError(f"evaluate.window_seconds is too short: {error}") from None
