"""The test of a model on held-out clips, and the predictions of validation and test."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest
from earmark.data.preparation import prepare_once
from earmark.errors import CheckpointError, ConfigError
from earmark.evaluation.held_out import (
    SeenData,
    held_out_clips,
    match_labels,
    read_seen_data,
    select_test_recordings,
)
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.evaluation.provenance import trace
from earmark.evaluation.result import Evaluation
from earmark.evaluation.seen_sound import compare_sound, report_copies
from earmark.features.levels import peak_level_db
from earmark.features.store import FeatureStore, default_root
from earmark.features.windows import ExcerptGrid, WindowGrid
from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import Checkpoint, require_network
from earmark.models.spec import ModelSpec, describe_not_finite
from earmark.system.hashing import content_hash
from earmark.system.numbers import counted
from earmark.system.runtime import Runtime
from earmark.system.shapes import Float64
from earmark.tasks.novelty import Novelty
from earmark.tasks.pooling import pool_novelty
from earmark.tasks.task import Task

logger = logging.getLogger(__name__)


def predict_clips(
    model: AudioModel,
    loader: OrderedLoader,
    runtime: Runtime,
    spec: ModelSpec,
    novelty: Novelty | None = None,
) -> Predictions:
    """Predicts every clip of a loader; several processes share the batches.

    Args:
        model: The network itself, not one wrapped for training; it is put in evaluation mode.
        loader: Windows in order.
        runtime: Where to compute.
        spec: The task, and how the windows of a clip are pooled.
        novelty: Scores how unlike training the clips are, if the model has a score.

    Returns:
        The same logits whatever the number of processes.
    """
    dataset = loader.dataset
    if novelty is None:
        logits = window_logits(model, loader, runtime, task=spec.task)
        return Predictions(dataset.clips, spec.rule.pool(logits, dataset.window_clips), spec.task)

    def compute(log_mel: Tensor) -> Tensor:
        embedding = model.forward_embedding(log_mel)
        distances = torch.from_numpy(novelty.distances(embedding.cpu().numpy()))
        return torch.hstack([model.forward_head(embedding).cpu().double(), distances])

    rows = _run_windows(model, loader, runtime, compute, spec.num_outputs + len(novelty.centers))
    logits, distances = np.split(rows, [spec.num_outputs], axis=1)
    without = novelty.without_each_label(distances, logits)
    scores = novelty.combine(distances.min(axis=1), novelty.doubt(logits))
    return Predictions(
        dataset.clips,
        spec.rule.pool(logits, dataset.window_clips),
        spec.task,
        pool_novelty(scores, dataset.window_clips),
        pool_novelty(without, dataset.window_clips),
    )


def window_logits(
    model: AudioModel, loader: OrderedLoader, runtime: Runtime, *, task: Task
) -> Float64[np.ndarray, "windows outputs"]:
    """Logits of every window of a loader; several processes share the batches.

    Args:
        model: As for `predict_clips`.
        loader: Windows in order.
        runtime: Where to compute.
        task: What the logits mean.
    """
    num_outputs = task.num_outputs(loader.dataset.targets.shape[1])
    return _run_windows(model, loader, runtime, model, num_outputs)


def window_embeddings(
    model: AudioModel, loader: OrderedLoader, runtime: Runtime
) -> Float64[np.ndarray, "windows channels"]:
    """Embeddings of every window of a loader; several processes share the batches.

    Args:
        model: As for `predict_clips`.
        loader: Windows in order.
        runtime: Where to compute.
    """
    channels = model.classifier.in_features
    return _run_windows(model, loader, runtime, model.forward_embedding, channels)


def embedding_logits(
    model: AudioModel, embeddings: Float64[np.ndarray, "windows channels"]
) -> Float64[np.ndarray, "windows outputs"]:
    """Logits of windows from their embeddings.

    Args:
        model: As for `predict_clips`.
        embeddings: From `window_embeddings`.
    """
    weight, bias = (one.detach().cpu().double().numpy() for one in model.classifier.parameters())
    return embeddings @ weight.T + bias


def _run_windows(
    model: AudioModel,
    loader: OrderedLoader,
    runtime: Runtime,
    compute: Callable[[Tensor], Tensor],
    num_columns: int,
) -> Float64[np.ndarray, "windows columns"]:
    """A row of what is computed from each window, the same in all processes."""
    rows = torch.zeros(len(loader.dataset), num_columns, dtype=torch.float64)
    model.eval()
    with torch.inference_mode():
        for batch in loader:
            rows[batch.indices] = compute(batch.log_mel.to(runtime.device)).cpu().double()
    # Each row is written by one process and zero elsewhere, so the sum is exact.
    return runtime.all_sum(rows).numpy()


def _score_excerpts(
    model: LoadedModel, store: FeatureStore, clips: Sequence[Clip]
) -> ExcerptScores | None:
    """Metrics over excerpts, if ``evaluate.excerpt_seconds`` is set."""
    spec = model.spec
    seconds = spec.config.evaluate.excerpt_seconds
    if seconds is None:
        return None
    grid = ExcerptGrid.of_seconds(seconds, spec.config.features)
    excerpts = AudioDataset(store, clips, grid, num_labels=len(spec.labels))
    loader = OrderedLoader(excerpts, model.runtime)
    logits = window_logits(model.network, loader, model.runtime, task=spec.task)
    targets = excerpts.window_targets
    features = spec.config.features
    levels_db = np.array(
        [peak_level_db(excerpts.frames(index), features) for index in range(len(excerpts))]
    )
    decisions = spec.rule.decide(logits, levels_db)
    return ExcerptScores(
        seconds=seconds,
        num_excerpts=len(excerpts),
        num_correct=int(decisions.correct(targets).sum()),
        loss=float(spec.task.losses(spec.rule.calibrate(logits), targets).mean()),
    )


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    manifest: Manifest,
    *,
    runtime: Runtime,
    store_root: Path | None = None,
    run: Path | None = None,
    compares_sound: bool = True,
) -> Evaluation:
    """Tests a model; see `evaluate_model`.

    Args:
        checkpoint: The model.
        manifest: The data.
        runtime: Where to compute.
        store_root: Folder of the feature store; the shared one by default.
        run: The run folder of the model, which records what it was trained on.
        compares_sound: Whether copies in other files are searched, by fingerprint.

    Raises:
        CheckpointError: The weights do not fit the settings.
        DataError: As for `evaluate_model`.
        ConfigError: As for `evaluate_model`.
    """
    model = LoadedModel.build(checkpoint, runtime)
    return evaluate_model(
        model, manifest, store_root=store_root, run=run, compares_sound=compares_sound
    )


def evaluate_model(
    model: LoadedModel,
    manifest: Manifest,
    *,
    store_root: Path | None = None,
    run: Path | None = None,
    compares_sound: bool = True,
) -> Evaluation:
    """Tests a network on the test split, which takes no part in training or validation.

    Data without splits are tested on held-out recordings: those whose content, sound and group
    took no part in training or validation. Clips of a test split that share sound are reported.

    Args:
        model: The network.
        manifest: The data.
        store_root: Folder of the feature store; the shared one by default.
        run: The run folder of the model, which records what it was trained on.
        compares_sound: Whether copies in other files are searched, by fingerprint.

    Raises:
        DataError: No clip is left to test on, or test clips were trained on.
        CheckpointError: The logits of a clip are not finite.
        ConfigError: ``evaluate.excerpt_seconds`` is too short for the network.
    """
    spec, runtime = model.spec, model.runtime
    manifest = match_labels(manifest, spec)
    require_excerpts(spec)
    seen = read_seen_data(run)
    tested = select_test_recordings(manifest, seen, spec.labels)
    store = FeatureStore(store_root or default_root(), spec.config.features)
    prepared = prepare_once(tested.recordings, store, runtime)
    clips = held_out_clips(tested, prepared, seen, has_splits=manifest.has_splits)
    if seen is not None and compares_sound:
        found = compare_sound(clips, manifest, seen, store.root, runtime)
        clips = report_copies(clips, found, manifest)
    _require_same(model, clips)
    _log_left_out(manifest, len(clips) + len(prepared.skipped), seen, run)
    windows = AudioDataset(
        store,
        clips,
        WindowGrid(spec.window_frames, spec.config.predict.overlap),
        num_labels=len(spec.labels),
    )
    loader = OrderedLoader(windows, runtime)
    predictions = predict_clips(model.network, loader, runtime, spec, model.novelty)
    _require_finite(predictions, model)
    return Evaluation(
        uncalibrated=predictions,
        labels=spec.labels,
        rule=spec.rule,
        levels_db=np.array([peak_level_db(store[one.key], store.config) for one in clips]),
        settings=spec.config.evaluate,
        skipped=prepared.skipped,
        excerpts=_score_excerpts(model, store, clips),
        majority_labels=_majority_labels(seen, spec),
        provenance=trace(model, clips),
    )


def _require_same(model: LoadedModel, clips: Sequence[Clip]) -> None:
    """Checks that all processes test one model on the same clips."""
    file = model.checkpoint.path
    model.runtime.require_same(
        {
            "model": file and content_hash(file),
            "settings": model.spec.to_text(),
            "test recordings": [(one.key, one.targets) for one in clips],
        }
    )


def _majority_labels(seen: SeenData | None, spec: ModelSpec) -> tuple[str, ...] | None:
    """The most frequent labels in training; in a multi-label task the background has none."""
    if seen is None:
        return None
    return tuple(label for label in seen.majority_labels if label in spec.labels)


def _log_left_out(
    manifest: Manifest, num_tested: int, seen: SeenData | None, run: Path | None
) -> None:
    if seen is None:
        logger.info(
            "note: there is no record of what the model was trained on: whether it has seen these "
            "clips is unknown"
        )
    elif num_tested < len(manifest) and not manifest.has_splits:
        number = counted(len(manifest) - num_tested, "recording")
        logger.info(f"note: left out {number} seen in the training of {run}")


def _require_finite(predictions: Predictions, model: LoadedModel) -> None:
    for clip, logits in zip(predictions.clips, predictions.logits, strict=True):
        if not np.isfinite(logits).all():
            name = f"{model.checkpoint.path or 'the model'}, for {clip.name}"
            raise CheckpointError(describe_not_finite(name))


def require_excerpts(spec: ModelSpec) -> None:
    """Checks, before any work, that excerpts of ``evaluate.excerpt_seconds`` can be predicted.

    Raises:
        ConfigError: They are too short for the network.
    """
    config = spec.config
    if config.evaluate.excerpt_seconds is not None:
        grid = ExcerptGrid.of_seconds(config.evaluate.excerpt_seconds, config.features)
        try:
            require_network(replace(spec, window_frames=grid.num_frames))
        except ConfigError as error:
            raise ConfigError(f"evaluate.excerpt_seconds is too short: {error}") from None
