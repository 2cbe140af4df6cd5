"""What the page needs to know of a model, as plain values."""

import math
from typing import Any

from earmark._version import __version__
from earmark.features.windows import evaluation_batch
from earmark.models.spec import ModelSpec

PAGE_FORMAT = 1


def describe_for_page(spec: ModelSpec, *, name: str, licence: str) -> dict[str, Any]:
    """The values of ``model.json``.

    Args:
        spec: The specification of the model.
        name: Of the model, for people.
        licence: Of its weights.

    Example:
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> facts = describe_for_page(spec, name="run", licence="MIT")
        >>> facts["hop_frames"], facts["step_frames"], facts["max_novelty"]
        (5, 51, None)
    """
    features, predict, rule = spec.config.features, spec.config.predict, spec.rule
    return {
        "page_format": PAGE_FORMAT,
        "earmark_version": __version__,
        "name": name,
        "licence": licence,
        "labels": list(spec.labels),
        "task": spec.task.name,
        "features": features.model_dump(mode="json"),
        "window_frames": spec.window_frames,
        "window_seconds": spec.window_seconds,
        "step_frames": spec.step_frames(),
        "hop_frames": spec.step_frames(predict.hop_seconds),
        "batch": evaluation_batch(features.n_mels, spec.window_frames),
        "thresholds": list(rule.thresholds),
        "lane_thresholds": list(rule.lane_thresholds),
        "temperature": rule.temperature,
        "min_probability": rule.min_probability,
        "silence_db": rule.silence_db,
        "silence_label": rule.silence_label,
        "background": rule.background,
        "max_novelty": _or_none(rule.max_novelty),
        "window_max_novelty": _or_none(spec.window_rule.max_novelty),
        "pooling": rule.pooling,
        "smoothing": predict.smoothing,
        "min_segment_seconds": predict.min_segment_seconds,
        "boundary_fraction": predict.boundary_fraction,
        "moves_boundaries": predict.moves_boundaries,
    }


def _or_none(value: float) -> float | None:
    # JSON has no infinity.
    return value if math.isfinite(value) else None
