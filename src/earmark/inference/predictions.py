"""What a model says: of a sound, of a window of it, or why it says nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earmark.inference.segmentation.segments import Segment
from earmark.system.shapes import Float64
from earmark.tasks.decision_rule import Reason
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

NO_FILE = Path("-")
"""The path of sound that is in no file."""


@dataclass(frozen=True)
class Prediction:
    """What a model says about a file.

    Args:
        path: The file; ``-`` for samples that are in none.
        labels: The chosen labels: one, except in a multi-label task; none without a decision.
        probabilities: Label to probability, calibrated.
        duration_seconds: Length of the sound.
        task: What the labels mean.
        abstained: Why there is no decision; None where there is one.
        segments: The time line, where it was asked for.
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    duration_seconds: float
    task: Task = BINARY
    abstained: Reason | None = None
    segments: tuple[Segment, ...] | None = None

    @property
    def label(self) -> str | None:
        """The chosen label; several are joined by semicolons, as in a manifest.

        None where there is no decision.
        """
        return None if self.abstained else ";".join(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        several = self.task is MULTI_LABEL
        document: dict[str, Any] = {
            "path": str(self.path),
            **({"labels": list(self.labels)} if several else {"label": self.label}),
            **({"abstained": self.abstained} if self.abstained else {}),
            "probabilities": self.probabilities,
            "duration_seconds": self.duration_seconds,
        }
        if self.segments is not None:
            document["segments"] = [one.to_dict() for one in self.segments]
        return document


class WindowPrediction(NamedTuple):
    """What a model says about one window of a sound.

    Args:
        start_seconds: Where its first frame is centred.
        end_seconds: Where its last frame is centred; the sound around it is heard, too.
        probabilities: Of each label, in the order of `Classifier.labels`, calibrated.
        labels: The chosen labels, as for a `Prediction`.
        abstained: Why there is no decision; None where there is one.
    """

    start_seconds: float
    end_seconds: float
    probabilities: Float64[np.ndarray, " labels"]
    labels: tuple[str, ...]
    abstained: Reason | None
