"""Judging clips: validation after each epoch, and the test, once."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn

from earmark.checkpoint import Checkpoint, ModelCard
from earmark.data import (
    AudioDataset,
    Clip,
    OrderedLoader,
    prepare_once,
    require_labels,
    usable_clips,
)
from earmark.errors import ConfigError, DataError
from earmark.manifest import Manifest
from earmark.metrics import Predictions, Scores, score
from earmark.preparation import ContentSet, Prepared, Skipped
from earmark.runs import RunFolder
from earmark.runtime import Runtime, place
from earmark.store import FeatureStore, default_root
from earmark.stretches import StretchDataset, stretch_grid
from earmark.tasks import BINARY, MULTI_LABEL, Task
from earmark.windows import clip_logits


@dataclass(frozen=True)
class WindowScores:
    """Figures over stretches of the clips, each judged alone by the label of its clip.

    Args:
        seconds: Length of a stretch.
        num_windows: How many were judged.
        num_correct: How many of them rightly.
        loss: Mean cross-entropy of the task, in nats.
    """

    seconds: float
    num_windows: int
    num_correct: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of the stretches that were judged rightly."""
        return self.num_correct / self.num_windows

    def to_dict(self) -> dict[str, float | int]:
        """The figures under the names that ``evaluate --json`` prints."""
        return {**asdict(self), "accuracy": self.accuracy}


@dataclass(frozen=True)
class Evaluation:
    """A test: the figures, each clip's prediction, and the recordings that could not be judged.

    Where ``evaluate.window_seconds`` is given there are the figures of stretches as well.
    """

    scores: Scores
    predictions: Predictions
    thresholds: tuple[float, ...]
    skipped: tuple[Skipped, ...]
    windows: WindowScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints."""
        return {
            **self.scores.to_dict(),
            **self._named_thresholds(),
            **({"windows": self.windows.to_dict()} if self.windows else {}),
            "skipped": [one.to_dict() for one in self.skipped],
        }

    def _named_thresholds(self) -> dict[str, Any]:
        task, labels = self.predictions.task, self.scores.labels
        if task is BINARY:
            return {"threshold": self.thresholds[0]}
        if task is MULTI_LABEL:
            return {"thresholds": dict(zip(labels, self.thresholds, strict=True))}
        return {}

    @property
    def chosen(self) -> tuple[tuple[int, ...], ...]:
        """Indices of each clip's chosen labels."""
        return tuple(
            tuple(map(int, np.flatnonzero(row))) for row in self.predictions.choose(self.thresholds)
        )

    def to_csv(self) -> str:
        """A row a clip: its name, labels, predicted labels and the probability of each label."""
        labels = self.scores.labels
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("path", "label", "predicted", "correct", *labels))
        rows = zip(self.predictions.clips, self.chosen, self.predictions.probabilities, strict=True)
        for clip, chosen, row in rows:
            hit = "yes" if chosen == clip.targets else "no"
            shares = (f"{share:.6f}" for share in row)
            names = (join_labels(labels, indices) for indices in (clip.targets, chosen))
            writer.writerow((clip.name, *names, hit, *shares))
        return text.getvalue()


def join_labels(labels: Sequence[str], indices: Sequence[int]) -> str:
    """Labels as a manifest spells them, between semicolons."""
    return ";".join(labels[index] for index in indices)


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
    model: nn.Module, stretches: StretchDataset, card: ModelCard, runtime: Runtime
) -> WindowScores:
    """Figures over stretches: each is judged as a clip would be that is no longer than it."""
    loader = OrderedLoader(stretches, runtime)
    logits = window_logits(model, loader, runtime, task=card.task)
    targets = stretches.targets[stretches.window_clips]
    chosen = card.task.choose(card.task.probabilities(logits), card.thresholds)
    return WindowScores(
        seconds=stretches.seconds,
        num_windows=len(stretches),
        num_correct=int((chosen == targets).all(axis=1).sum()),
        loss=float(card.task.losses(logits, targets).mean()),
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
    _check_labels(manifest, card)
    require_stretches(card)
    seen = _read_seen(run)
    part = _test_part(manifest, seen, card.labels, runtime)
    store = FeatureStore(store_root or default_root(), card.config.features)
    prepared = prepare_once(part.recordings, store, runtime)
    clips = _unseen(part, prepared, seen, was_split=manifest.has_splits)
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
    stretched = None
    if card.config.evaluate.window_seconds is not None:
        stretches = StretchDataset(store, clips, card.config, num_labels=len(card.labels))
        stretched = _judge_stretches(model, stretches, card, runtime)
    confidence = card.config.evaluate.confidence
    scores = score(predictions, card.labels, thresholds=card.thresholds, confidence=confidence)
    return Evaluation(scores, predictions, card.thresholds, prepared.skipped, stretched)


def require_stretches(card: ModelCard) -> None:
    """Checks, before any work, that stretches of ``evaluate.window_seconds`` can be judged.

    Raises:
        ConfigError: The network leaves nothing of them.
    """
    config = card.config
    if config.evaluate.window_seconds is not None:
        grid = stretch_grid(config.evaluate.window_seconds, config.features)
        try:
            replace(card, window_frames=grid.num_frames).build()
        except ConfigError as error:
            raise ConfigError(f"evaluate.window_seconds is too short: {error}") from None


@dataclass(frozen=True)
class _Seen:
    """Content and groups of what a run was trained and validated on."""

    content: ContentSet
    groups: frozenset[str]


def _read_seen(run: Path | None) -> _Seen | None:
    if run is None:
        return None
    rows = [row for row in RunFolder(run).read_recordings() if row["split"] != "test"]
    # A recording that is its own group says nothing about others of the same name.
    groups = frozenset(row["group"] for row in rows if row["group"] != row["name"])
    return _Seen(ContentSet(row["key"] for row in rows if row["key"]), groups)


def _check_labels(manifest: Manifest, card: ModelCard) -> None:
    require_labels(manifest, card.task)
    unknown = sorted(set(manifest.labels) - set(card.labels))
    if unknown:
        raise DataError(
            f"{manifest.source}: label {unknown[0]!r} is unknown to the model, which tells "
            f"{' from '.join(card.labels)}"
        )


def _test_part(
    manifest: Manifest, seen: _Seen | None, labels: tuple[str, ...], runtime: Runtime
) -> Manifest:
    """The recordings that may be tested on, as far as the manifest tells."""
    groups = seen.groups if seen else frozenset()
    if manifest.has_splits:
        tested = manifest.split("test")
        if not tested:
            raise DataError(f"{manifest.source}: no testing split; add one or give other data")
        shared = sorted({one.group for one in tested} & groups)
        if shared:
            runtime.reporter.warn(
                f"{len(shared)} groups of the testing split have the names of groups that were "
                f"trained on ({', '.join(shared[:3])}); if they are the same, the figures flatter"
            )
    elif seen is None:
        raise DataError(
            f"{manifest.source}: has no splits, and this model does not know what it was trained "
            "on; give its run folder, or data with a testing split"
        )
    else:
        tested = tuple(one for one in manifest.recordings if one.group not in groups)
    recordings = tuple(replace(one, split="test") for one in tested)
    return replace(manifest, recordings=recordings, labels=labels)


def _unseen(
    part: Manifest, prepared: Prepared, seen: _Seen | None, *, was_split: bool
) -> list[Clip]:
    clips = usable_clips(part, prepared, "test")
    known = dict.fromkeys(clip for clip in clips if seen and clip.key in seen.content)
    if known and was_split:
        listed = ", ".join(clip.name for clip in list(known)[:3])
        raise DataError(
            f"{part.source}: {len(known)} test clips have the same content as clips of the "
            f"training or validation split: {listed}; take them out of one of the two"
        )
    left = [clip for clip in clips if clip not in known]
    if not left:
        raise DataError(f"{part.source}: no clip is left to test on")
    return left
