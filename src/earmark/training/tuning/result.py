"""What a study has found."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.system.notebook import html_table


@dataclass(frozen=True)
class BestTrial:
    """The trial with the best validation score.

    Args:
        number: Number of the trial, counted from 0.
        value: Its validation loss or accuracy.
        epochs: Number of epochs that it was trained.
        settings: Path of each searched setting to its value.
    """

    number: int
    value: float
    epochs: int
    settings: Mapping[str, Any]

    def rows(self) -> list[tuple[str, str]]:
        """Each searched setting and its value as text."""
        return [(path, json.dumps(value)) for path, value in self.settings.items()]


@dataclass(frozen=True)
class TuningResult:
    """What a study has found so far.

    Args:
        study: The study folder.
        objective: Meaning of `BestTrial.value`: ``loss`` or ``accuracy``.
        num_trials: Number of finished trials: the sum of the next three.
        num_complete: Trials that were trained to their end.
        num_pruned: Trials that were stopped early because they lagged behind.
        num_failed: Trials whose settings cannot be combined, or whose loss was not finite.
        best: The best of the complete trials.
    """

    study: Path
    objective: str
    num_trials: int
    num_complete: int
    num_pruned: int
    num_failed: int
    best: BestTrial

    def summary(self) -> str:
        """Number of trials and the best validation score, in one line."""
        return (
            f"{self.num_trials} trials: {self.num_complete} complete, {self.num_pruned} pruned, "
            f"{self.num_failed} failed; best: trial {self.best.number}, validation "
            f"{self.objective} {self.best.value:.4f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``tune --json`` prints."""
        return {**asdict(self), "study": str(self.study)}

    def __repr__(self) -> str:
        settings = "".join(f"\n  {path} = {value}" for path, value in self.best.rows())
        return f"TuningResult({self.summary()}){settings}"

    def _repr_html_(self) -> str:
        return f"<p>{self.summary()}</p>{html_table(('setting', 'best'), self.best.rows())}"
