"""From the features of a file, part by part, to its prediction."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from earmark.features.log_mel import Features
from earmark.inference.backend import Backend
from earmark.inference.clip import ClipPredictor
from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.timeline import TimelinePredictor
from earmark.models.spec import ModelSpec

NoteRate = Callable[[int | None], None]


class FilePredictor:
    """Predicts one sound whose features come in parts.

    Label and segments are predicted from windows of their own, on the same frames.

    Args:
        spec: The specification of the model.
        backend: Its network.
        segments: Whether to find out when each label is heard, too.
        note_rate: Called at the end with the sample rate of the file, if there is one.
    """

    def __init__(
        self, spec: ModelSpec, backend: Backend, note_rate: NoteRate, *, segments: bool
    ) -> None:
        self._spec, self._note_rate = spec, note_rate
        self._clip = ClipPredictor(spec, backend)
        self._timeline = TimelinePredictor(spec, backend) if segments else None
        self._last = Features(np.zeros((0, 0), np.float16), 0.0)

    def add(self, part: Features) -> "FilePredictor":
        """Takes the next part."""
        self._clip.add(part.frames)
        if self._timeline:
            self._timeline.add(part.frames)
        self._last = part
        return self

    def finish(self, path: Path) -> Prediction:
        """The prediction of the whole sound.

        Args:
            path: The file.
        """
        spec, last = self._spec, self._last
        decisions, duration_seconds = self._clip.finish(), last.duration_seconds
        self._note_rate(last.source_rate)
        (chosen,), (abstained,) = decisions.indices(), decisions.abstained
        return Prediction(
            path,
            labels=tuple(spec.labels[index] for index in chosen),
            probabilities=dict(
                zip(spec.labels, map(float, decisions.probabilities[0]), strict=True)
            ),
            duration_seconds=duration_seconds,
            task=spec.task,
            abstained=abstained,
            novelty=None if decisions.novelty is None else float(decisions.novelty[0]),
            segments=self._timeline.finish(duration_seconds) if self._timeline else None,
            # Several front ends on one file may notice the same.
            notes=tuple(dict.fromkeys(last.notes)),
            background_label=spec.background_label,
        )
