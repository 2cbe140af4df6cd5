"""From the frames of a recording to its labelled segments."""

import numpy as np

from earmark.features.windows import WindowCutter
from earmark.inference.backend import Backend
from earmark.inference.clip import decide_windows
from earmark.inference.segmentation.boundaries import BoundaryRefiner
from earmark.inference.segmentation.segments import (
    Segment,
    WindowProbabilities,
    find_segments,
    lane_scores,
)
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Float, Float32, Int


class TimelinePredictor:
    """Predicts the segments of a recording whose frames come in groups.

    Memory holds a few bytes a window. The section ``predict`` sets how far windows are apart and
    how they are smoothed.

    Args:
        spec: The specification of the model.
        backend: Its network.
    """

    def __init__(self, spec: ModelSpec, backend: Backend) -> None:
        self._spec, self._backend, config = spec, backend, spec.config.predict
        step_frames = spec.step_frames(config.hop_seconds)
        self._cutter = WindowCutter(spec.window_frames, step_frames)
        self._boundaries = BoundaryRefiner(
            config.boundary_fraction,
            spec.window_frames // step_frames,
            predict=self._predict,
            choose=self._choose,
        )
        self._spans: list[np.ndarray] = []
        self._probabilities: list[np.ndarray] = []

    def add(self, frames: Float[np.ndarray, "_ mels"]) -> None:
        """Takes the next frames of the recording.

        Args:
            frames: As `earmark.features.log_mel.round_frames` gives them.
        """
        self._take(*self._cutter.add(frames))

    def finish(self, duration_seconds: float) -> tuple[Segment, ...]:
        """The segments, as `earmark.inference.segmentation.segments.find_segments` finds them.

        Args:
            duration_seconds: Length of the recording.
        """
        self._take(*self._cutter.finish())
        features = self._spec.config.features
        spans = np.concatenate(self._spans)
        seconds = spans * features.frame_seconds
        if features.embedder is not None:
            whole = (range(first, last + 1) for first, last in spans.tolist())
            seconds = np.array([features.span_seconds(one, duration_seconds) for one in whole])
        windows = WindowProbabilities(
            seconds[:, 0],
            seconds[:, 1],
            np.concatenate(self._probabilities),
            self._boundaries.finish(),
        )
        found = find_segments(
            windows,
            duration_seconds,
            self._spec.labels,
            task=self._spec.task,
            thresholds=self._spec.rule.lane_thresholds,
            config=self._spec.config.predict,
        )
        # Where the background wins over the labels there is a gap.
        return tuple(one for one in found if one.label != self._spec.background_label)

    def _take(
        self, spans: list[range], windows: Float32[np.ndarray, "windows mels frames"]
    ) -> None:
        if not spans:
            return
        probabilities = self._predict(windows)
        self._spans.append(np.array([(one[0], one[-1]) for one in spans], np.int64))
        self._probabilities.append(probabilities)
        if self._spec.config.predict.moves_boundaries:
            self._boundaries.add(windows, probabilities)

    def _predict(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows labels"]:
        """Probabilities; NaN where the model abstains."""
        found = decide_windows(self._spec, self._backend, windows)
        return np.where(found.is_decided[:, None], found.probabilities, np.nan).astype(np.float32)

    def _choose(
        self, probabilities: Float32[np.ndarray, "windows labels"]
    ) -> Int[np.ndarray, "windows lanes"]:
        """The state of each lane in each window."""
        thresholds = self._spec.rule.lane_thresholds
        return lane_scores(probabilities, self._spec.task, thresholds).argmax(axis=2)
