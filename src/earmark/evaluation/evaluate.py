"""Judging clips: validation after each epoch, and the test, once."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest
from earmark.data.preparation import prepare_once
from earmark.errors import ConfigError
from earmark.evaluation.held_out import check_labels, read_seen, test_part, unseen_clips
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.provenance import trace
from earmark.evaluation.result import Evaluation, WindowScores
from earmark.features.levels import peak_level_db
from earmark.features.store import FeatureStore, default_root
from earmark.features.windows import ExcerptGrid, WindowGrid
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, place
from earmark.system.shapes import Float64
from earmark.tasks.task import Task

logger = logging.getLogger(__name__)


def predict_clips(
    model: nn.Module, loader: OrderedLoader, runtime: Runtime, spec: ModelSpec
) -> Predictions:
    """Judges every clip of a loader; with many processes each does a share of the batches.

    Args:
        model: The network itself, not one wrapped for training; it is put in evaluation mode.
        loader: Windows in order.
        runtime: Where to compute.
        spec: What the labels mean, and how the windows of a clip decide.

    Returns:
        The same logits whatever the number of processes.
    """
    windows = loader.dataset
    logits = window_logits(model, loader, runtime, task=spec.task)
    pooled = spec.rule.pool(logits, windows.window_clips)
    return Predictions(windows.clips, pooled, spec.task)


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
    windows = loader.dataset
    num_outputs = task.num_outputs(windows.targets.shape[1])
    logits = torch.zeros(len(windows), num_outputs, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        for batch in loader:
            output = model(batch.log_mel.to(runtime.device)).cpu().double()
            logits[batch.indices] = output
    # Each row is written by one process and zero elsewhere, so the sum is exact.
    return runtime.all_sum(logits).numpy()


def _score_excerpts(
    model: nn.Module,
    store: FeatureStore,
    clips: Sequence[Clip],
    spec: ModelSpec,
    runtime: Runtime,
) -> WindowScores | None:
    """Figures over stretches, where they are asked for: each is judged as a clip no longer."""
    seconds = spec.config.evaluate.excerpt_seconds
    if seconds is None:
        return None
    grid = ExcerptGrid.of_seconds(seconds, spec.config.features)
    excerpts = AudioDataset(store, clips, grid, num_labels=len(spec.labels))
    loader = OrderedLoader(excerpts, runtime)
    logits = window_logits(model, loader, runtime, task=spec.task)
    targets = excerpts.window_targets
    levels_db = np.array(
        [
            peak_level_db(excerpts.frames(index), spec.config.features)
            for index in range(len(excerpts))
        ]
    )
    decided = spec.rule.decide(logits, levels_db)
    return WindowScores(
        seconds=seconds,
        num_windows=len(excerpts),
        num_correct=int(decided.are_right(targets).sum()),
        loss=float(spec.task.losses(spec.rule.calibrate(logits), targets).mean()),
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
        ConfigError: ``evaluate.excerpt_seconds`` is too short for the network.
    """
    spec = checkpoint.spec
    check_labels(manifest, spec)
    require_excerpts(spec)
    seen = read_seen(run)
    part = test_part(manifest, seen, spec.labels, runtime)
    store = FeatureStore(store_root or default_root(), spec.config.features)
    prepared = prepare_once(part.recordings, store, runtime)
    clips = unseen_clips(part, prepared, seen, was_split=manifest.has_splits)
    left_out = len(manifest) - len(clips) - len(prepared.skipped)
    if left_out and not manifest.has_splits:
        logger.info(f"note: {left_out} recordings that training has seen are left out")
    windows = AudioDataset(
        store,
        clips,
        WindowGrid(spec.window_frames, spec.config.predict.overlap),
        num_labels=len(spec.labels),
    )
    model = place(checkpoint.build(), runtime.device)
    predictions = predict_clips(model, OrderedLoader(windows, runtime), runtime, spec)
    return Evaluation(
        uncalibrated=predictions,
        labels=spec.labels,
        rule=spec.rule,
        levels_db=np.array([peak_level_db(store[one.key], store.config) for one in clips]),
        settings=spec.config.evaluate,
        skipped=prepared.skipped,
        windows=_score_excerpts(model, store, clips, spec, runtime),
        commonest=seen.commonest if seen else None,
        provenance=trace(checkpoint, model, clips, runtime.device),
    )


def require_excerpts(spec: ModelSpec) -> None:
    """Checks, before any work, that stretches of ``evaluate.excerpt_seconds`` can be judged.

    Raises:
        ConfigError: The network leaves nothing of them.
    """
    config = spec.config
    if config.evaluate.excerpt_seconds is not None:
        grid = ExcerptGrid.of_seconds(config.evaluate.excerpt_seconds, config.features)
        try:
            new_network(replace(spec, window_frames=grid.num_frames))
        except ConfigError as error:
            raise ConfigError(f"evaluate.excerpt_seconds is too short: {error}") from None
