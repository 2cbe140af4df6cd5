"""From frames that come in groups to a prediction of each window, as soon as it is complete."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from earmark.features.windows import stream_windows
from earmark.inference.backend import Backend
from earmark.inference.clip import decide_windows
from earmark.inference.predictions import WindowPrediction
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Float16


def predict_windows(
    spec: ModelSpec,
    backend: Backend,
    groups: Iterable[Float16[np.ndarray, "_ mels"]],
    step_frames: int,
    *,
    duration_seconds: Callable[[], float],
) -> Iterator[WindowPrediction]:
    """Predicts the windows of a sound one by one.

    Args:
        spec: The specification of the model.
        backend: Its network.
        groups: The frames, as `earmark.features.log_mel.round_frames` gives them.
        step_frames: Frames from the start of one window to the start of the next.
        duration_seconds: Gives the length of the sound so far.

    Example:
        >>> from earmark.config import Config
        >>> spec = ModelSpec(Config(), ("music", "speech"), window_frames=51)
        >>> frames = [np.zeros((102, 40), np.float16)]
        >>> network = lambda windows: np.ones((len(windows), 1), np.float32)
        >>> found = predict_windows(spec, network, frames, 51, duration_seconds=lambda: 2.02)
        >>> [one.labels for one in found]
        [('speech',), ('speech',)]
    """
    features = spec.config.features
    for spans, windows in stream_windows(groups, spec.window_frames, step_frames):
        decisions = decide_windows(spec, backend, windows)
        rows = zip(
            *(spans, decisions.probabilities, decisions.indices(), decisions.abstained),
            strict=True,
        )
        for span, probabilities, chosen, abstained in rows:
            start, end = features.span_seconds(span, duration_seconds())
            labels = tuple(spec.labels[index] for index in chosen)
            yield WindowPrediction(start, end, probabilities, labels, abstained)
