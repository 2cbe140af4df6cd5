"""What a model predicts: for a sound, and for a window of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earmark.audio.source import Note
from earmark.inference.segmentation.segments import DECIMALS, Segment
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Float64
from earmark.tasks.decision_rule import Reason
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

NO_FILE = Path("-")
"""The path of samples that come from no file."""


@dataclass(frozen=True, repr=False)
class Prediction:
    """The label of a sound, and its segments where they were requested.

    Args:
        path: The file; ``-`` for samples that come from none.
        labels: The predicted labels: one, except in a multi-label task; none if the model
            abstained.
        probabilities: Label to probability, calibrated.
        duration_seconds: Length of the sound.
        task: What the labels mean.
        abstained: Why the model gave no label; None where it gave one.
        segments: When each label is heard; None where this was not requested.
        novelty: How unlike the sound of training it is, about 0 for sound like it; None where the
            model has no score.
        notes: What was noticed in the file.
        background_label: The one label with a probability that is never predicted; None if there is
            none.

    Example:
        >>> Prediction(Path("a.wav"), ("speech",), {"music": 0.25, "speech": 0.75}, 30.0).label
        'speech'
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    duration_seconds: float
    task: Task = BINARY
    abstained: Reason | None = None
    segments: tuple[Segment, ...] | None = None
    novelty: float | None = None
    notes: tuple[Note, ...] = ()
    background_label: str | None = None

    def __repr__(self) -> str:
        fields = [f"{str(self.path)!r}", f"label={self.label!r}"]
        if self.abstained:
            fields.append(f"abstained={self.abstained!r}")
        shown = ", ".join(f"{label!r}: {one:.3f}" for label, one in self.probabilities.items())
        fields += [f"probabilities={{{shown}}}", f"duration_seconds={self.duration_seconds:.2f}"]
        if self.segments is not None:
            fields.append(f"segments=<{len(self.segments)}>")
        return f"{type(self).__name__}({', '.join(fields)})"

    def _repr_html_(self) -> str:
        from earmark.inference.notebook import prediction_html

        return prediction_html(self)

    @property
    def label(self) -> str | None:
        """The predicted label; several are joined by semicolons, as in a manifest.

        None where the model abstained.
        """
        return None if self.abstained else ";".join(self.labels)

    @property
    def answers(self) -> tuple[str, ...]:
        """The labels that may be predicted."""
        return tuple(label for label in self.probabilities if label != self.background_label)

    @property
    def seconds_by_label(self) -> dict[str, float] | None:
        """Label to the seconds of its segments; None where segments were not requested.

        Example:
            >>> segments = (Segment(0.0, 12.5, "music", 0.98), Segment(14.0, 20.0, "music", 0.7))
            >>> probabilities = {"music": 0.9, "speech": 0.1}
            >>> one = Prediction(Path("a.wav"), ("music",), probabilities, 20.0, segments=segments)
            >>> one.seconds_by_label
            {'music': 18.5, 'speech': 0.0}
        """
        if self.segments is None:
            return None
        seconds = dict.fromkeys(self.answers, 0.0)
        for one in self.segments:
            seconds[one.label] += one.end - one.start
        return {label: round(total, DECIMALS) for label, total in seconds.items()}

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        several = self.task is MULTI_LABEL
        document: dict[str, Any] = {
            "path": str(self.path),
            **({"labels": list(self.labels)} if several else {"label": self.label}),
            **({"abstained": self.abstained} if self.abstained else {}),
            "probabilities": self.probabilities,
            **({} if self.novelty is None else {"novelty": self.novelty}),
            "duration_seconds": self.duration_seconds,
        }
        if self.segments is not None:
            document["segments"] = [one.to_dict() for one in self.segments]
            document["seconds_by_label"] = self.seconds_by_label
        if self.notes:
            document["notes"] = [one._asdict() for one in self.notes]
        return document


class WindowPrediction(NamedTuple):
    """The label of one window of a sound.

    Args:
        start_seconds: Where its first frame is centred.
        end_seconds: Where its last frame is centred; the frame extends beyond.
        probabilities: Of each label, in the order of `Classifier.labels`, calibrated.
        labels: The predicted labels, as in a `Prediction`.
        abstained: Why the model gave no label; None where it gave one.
    """

    start_seconds: float
    end_seconds: float
    probabilities: Float64[np.ndarray, " labels"]
    labels: tuple[str, ...]
    abstained: Reason | None

    def to_dict(self, spec: ModelSpec) -> dict[str, Any]:
        """What ``listen --json`` prints.

        Args:
            spec: The specification of the model.
        """
        several = spec.task is MULTI_LABEL
        label = None if self.abstained else self.labels[0] if self.labels else None
        return {
            "start": round(self.start_seconds, 3),
            "end": round(self.end_seconds, 3),
            **({"labels": list(self.labels)} if several else {"label": label}),
            **({"abstained": self.abstained} if self.abstained else {}),
            "probabilities": dict(zip(spec.labels, map(float, self.probabilities), strict=True)),
        }
