"""The result of one fold: predictions on its recordings, or why there are none."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from earmark.evaluation.classical_baseline import ClassicalPredictions
from earmark.evaluation.metrics.subsets import ExcerptScores


@dataclass(frozen=True)
class FoldResult:
    """The test of one fold by a network that was trained on the others.

    Args:
        seed: Seed of the weights and the order.
        fold: The fold that was held out.
        clips: Names of its clips.
        num_correct: Number of correct predictions.
        logits: A row a clip, calibrated.
        chosen: Indices of the predicted labels of each clip; of none, that of the background.
        best_epoch: Epoch of the weights that were tested, counted from 1.
        elapsed_seconds: Time spent in the epochs.
        log: A line an epoch, as in ``log.jsonl``.
        excerpts: Metrics over excerpts, where ``evaluate.excerpt_seconds`` asks for them.
        classical: What a classical model predicts, in the folds of the first seed, where
            ``evaluate.baseline`` asks for it.
    """

    seed: int
    fold: str
    clips: tuple[str, ...]
    num_correct: int
    logits: tuple[tuple[float, ...], ...]
    chosen: tuple[tuple[int, ...], ...]
    best_epoch: int
    elapsed_seconds: float
    log: tuple[Mapping[str, Any], ...]
    excerpts: ExcerptScores | None = None
    classical: ClassicalPredictions | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, which give every number back exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "FoldResult":
        """Reads what `to_dict` wrote."""
        excerpts, classical = table["excerpts"], table.get("classical")
        typed: dict[str, Any] = {
            "clips": tuple(table["clips"]),
            "logits": tuple(map(tuple, table["logits"])),
            "chosen": tuple(map(tuple, table["chosen"])),
            "log": tuple(table["log"]),
            "excerpts": None if excerpts is None else ExcerptScores(**excerpts),
            "classical": classical and ClassicalPredictions.from_dict(classical),
        }
        return cls(**{**table, **typed})


@dataclass(frozen=True)
class FoldFailure:
    """A fold that could not be trained or tested, and why."""

    seed: int
    fold: str
    error: str
