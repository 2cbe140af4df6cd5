"""What an exported file says about itself."""

import json
import math

from earmark.audio.source import MIN_SECONDS
from earmark.exporters.graph_form import GraphForm
from earmark.inference.onnx_backend import EMBEDDING, LOG_MEL, LOGITS, NOVELTY, WAVEFORM
from earmark.models.spec import METADATA_KEY, ModelSpec


def least_samples(spec: ModelSpec) -> int:
    """The fewest samples that a model takes, as in a prediction."""
    return round(MIN_SECONDS * spec.config.features.sample_rate)


def describe_graph(spec: ModelSpec, form: GraphForm) -> str:
    """Labels, input and output, for the people who open the file."""
    features = spec.config.features
    shape = f"({', '.join(map(str, form.shape(spec)))})"
    if form.takes == "waveform":
        batch = 1 if form.is_static else "batch"
        least = "" if form.is_static else f", {least_samples(spec)} samples or more"
        signature = (
            f"{WAVEFORM}: float32 {shape} in [-1, 1], mono at {features.sample_rate} Hz{least}; "
            f"probabilities: float32 ({batch}, {len(spec.labels)} labels), calibrated; "
            f"clip_novelty, where the model has a score: float32 ({batch})."
        )
    else:
        windows = 1 if form.is_static else "windows"
        signature = (
            f"{LOG_MEL}: float32 {shape}, windows of {_describe_window(spec)}; "
            f"{LOGITS}: float32 ({windows}, {spec.num_outputs}); "
            f"{EMBEDDING}: float32 ({windows}, channels); "
            f"{NOVELTY}, where the model has a score: float32 ({windows})."
        )
    return (
        f"Audio classifier by earmark, {spec.task.title}: {', '.join(spec.labels)}. {signature} "
        f"Labels, thresholds and all settings are in the metadata."
    )


def _describe_window(spec: ModelSpec) -> str:
    features = spec.config.features
    if features.embedder is not None:
        return f"{spec.window_frames} vectors of {features.n_mels} values"
    return f"{features.n_mels} mel bands and {spec.window_frames} frames in decibels"


def _or_none(value: float) -> float | None:
    # JSON has no infinity.
    return value if math.isfinite(value) else None


def describe_model(spec: ModelSpec) -> dict[str, str]:
    """What other programs may want to read, and the whole specification for earmark itself."""
    return {
        METADATA_KEY: spec.to_text(),
        "task": spec.task.name,
        "labels": json.dumps(spec.labels),
        "sample_rate": str(spec.config.features.sample_rate),
        "thresholds": json.dumps(spec.thresholds),
        "temperature": json.dumps(spec.temperature),
        "pooling": spec.config.predict.pooling,
        "min_probability": json.dumps(spec.config.predict.min_probability),
        "silence_db": json.dumps(spec.config.predict.silence_db),
        "max_novelty": json.dumps(_or_none(spec.rule.max_novelty)),
        "silence_label": json.dumps(spec.silence_label),
        "background_label": json.dumps(spec.background_label),
    }
