"""What a changed model costs in accuracy and log-loss, on validation clips."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import ExportError
from earmark.exporters.validation import ExportClips
from earmark.inference.backend import Backend, run_backend
from earmark.system.numbers import counted
from earmark.tasks.decision_rule import Decisions
from earmark.tasks.pooling import pool_novelty
from earmark.tasks.temperature import fit_temperature

MAX_ACCURACY_DROP = 0.01


@dataclass(frozen=True)
class Scores:
    """How good the predictions of validation clips are.

    Args:
        accuracy: Fraction of the clips with the right decision; an abstention is wrong.
        log_loss: Mean cross-entropy of the calibrated probabilities, in nats.
        temperature: The one that would calibrate the logits of these clips best.
    """

    accuracy: float
    log_loss: float
    temperature: float


@dataclass(frozen=True)
class AccuracyCost:
    """The scores of a model before and after a change, with one temperature and thresholds.

    Args:
        num_clips: Validation clips.
        num_changed: Clips with another decision afterwards, abstentions among them.
        before: Scores of the original.
        after: Scores of the changed model.
    """

    num_clips: int
    num_changed: int
    before: Scores
    after: Scores

    def __str__(self) -> str:
        return (
            f"accuracy {self.before.accuracy:.1%} to {self.after.accuracy:.1%} of "
            f"{counted(self.num_clips, 'validation clip')}, "
            f"log-loss {self.before.log_loss:.4f} to {self.after.log_loss:.4f}, "
            f"{counted(self.num_changed, 'other decision')}"
        )

    @property
    def accuracy_drop(self) -> float:
        """How much lower the accuracy is afterwards."""
        return self.before.accuracy - self.after.accuracy

    def to_dict(self) -> Mapping[str, Any]:
        """The document for metadata and ``--json``."""
        return asdict(self)

    def refuse_drop(self, output: Path, most: float) -> None:
        """Refuses a model that has lost too much.

        Args:
            output: The file that would be written.
            most: Largest `accuracy_drop` allowed.

        Raises:
            ExportError: It has.
        """
        # The small number makes up for the rounding of a difference.
        if self.accuracy_drop > most + 1e-9:
            raise ExportError(
                f"{output}: not written: {self}; the limit is a drop of {most:.1%}, set by "
                "--max-accuracy-drop"
            )


def measure_cost(original: Backend, changed: Backend, clips: ExportClips) -> AccuracyCost:
    """Predicts the validation clips with both.

    Args:
        original: The network as it was.
        changed: The network as it is now.
        clips: With the rule of the model.
    """
    before, scores = _predict(original, clips)
    after, changed_scores = _predict(changed, clips)
    differs = (before.outcomes != after.outcomes).any(axis=1)
    differs |= np.array(before.abstained) != np.array(after.abstained)
    return AccuracyCost(len(differs), int(differs.sum()), scores, changed_scores)


def _predict(backend: Backend, clips: ExportClips) -> tuple[Decisions, Scores]:
    rule, task, targets = clips.spec.rule, clips.spec.task, clips.targets
    found = [run_backend(backend, windows) for windows in clips.validation_windows()]
    window_clips = np.repeat(np.arange(len(found)), [len(one.logits) for one in found])
    logits = rule.pool(np.concatenate([one.logits for one in found]), window_clips)
    scores = [one.novelty for one in found if one.novelty is not None]
    novelty = pool_novelty(np.concatenate(scores), window_clips) if scores else None
    decisions = rule.decide(logits, clips.levels_db, novelty)
    accuracy = decisions.correct(targets).mean()
    loss = task.losses(rule.calibrate(logits), targets).mean()
    temperature = fit_temperature(logits, targets, task)
    return decisions, Scores(float(accuracy), float(loss), temperature)
