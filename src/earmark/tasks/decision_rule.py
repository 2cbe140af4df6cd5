"""From the logits of clips to their labels, or to no decision: one rule for testing and use.

::

    logits ──temperature──▶ probabilities ──thresholds──▶ labels ──silence, doubt──▶ decision
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from earmark.system.shapes import Bool, Float, Float64
from earmark.tasks.task import MULTI_LABEL, Task

Reason = Literal["silence", "unsure"]
"""Why there is no decision."""


@dataclass(frozen=True)
class Decisions:
    """What is said of each clip.

    Args:
        probabilities: Of each label, calibrated.
        chosen: Which labels are given; none where there is no decision, and in a multi-label task
            none may be the decision.
        abstained: Why a clip has no decision; None where it has one.
        confidence: Probability that a choice without abstaining is right: that of the chosen label;
            in a multi-label task that of the least certain of a clip's labels, be it there or not.
    """

    probabilities: Float64[np.ndarray, "clips labels"]
    chosen: Bool[np.ndarray, "clips labels"]
    abstained: tuple[Reason | None, ...]
    confidence: Float64[np.ndarray, " clips"]

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Indices of the given labels of each clip, in order."""
        for row in self.chosen:
            yield tuple(map(int, np.flatnonzero(row)))

    def correct(self, targets: Float[np.ndarray, "clips labels"]) -> Bool[np.ndarray, " clips"]:
        """Which clips were given all of their labels and no others."""
        return (self.chosen == targets).all(axis=1)

    @property
    def is_decided(self) -> Bool[np.ndarray, " clips"]:
        """Which clips have a decision."""
        return np.array([reason is None for reason in self.abstained], bool)


@dataclass(frozen=True)
class DecisionRule:
    """How logits become labels.

    Args:
        task: What the labels mean.
        thresholds: Calibrated probabilities from which labels are chosen, in the form that the task
            takes.
        temperature: What logits are divided by, so that probabilities can be taken at their word.
        min_probability: A chosen label that is less probable is not given, and a clip that is left
            without any is ``unsure``.
        silence_db: A clip whose loudest frame lies below is ``silence``, in dB of full scale.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2,
        for the temperature; Chow (1970), On optimum recognition error and reject tradeoff, IEEE
        Transactions on Information Theory 16, for giving no label below a probability.

    Example:
        >>> from earmark.tasks.task import BINARY
        >>> rule = DecisionRule(BINARY, (0.5,), min_probability=0.9)
        >>> rule.decide(np.array([[4.0], [1.0]])).abstained
        (None, 'unsure')
    """

    task: Task
    thresholds: tuple[float, ...]
    temperature: float = 1.0
    min_probability: float = 0.0
    silence_db: float = -math.inf

    def calibrate(
        self, logits: Float[np.ndarray, "clips outputs"]
    ) -> Float64[np.ndarray, "clips outputs"]:
        """Logits whose probabilities are calibrated."""
        return logits.astype(np.float64) / self.temperature

    @property
    def without_abstention(self) -> "DecisionRule":
        """The same rule without abstaining: every clip has a decision."""
        return replace(self, min_probability=0.0, silence_db=-math.inf)

    @property
    def lane_thresholds(self) -> tuple[float, ...]:
        """Probabilities from which a label is given in a time line.

        The labels of a multi-label task are given one by one, so that each must be as sure as is
        asked for; in other tasks doubt leaves a window without a decision.
        """
        if self.task is not MULTI_LABEL:
            return self.thresholds
        return tuple(max(one, self.min_probability) for one in self.thresholds)

    def decide(
        self,
        logits: Float[np.ndarray, "clips outputs"],
        levels_db: Float[np.ndarray, " clips"] | None = None,
    ) -> Decisions:
        """Labels, or none, of each clip.

        Args:
            logits: As the network gives them, a row a clip.
            levels_db: Level of each clip's loudest frame, as of `peak_level_db`;
                without it no clip is silence.
        """
        probabilities = self.task.probabilities(self.calibrate(logits))
        chosen = self.task.choose(probabilities, self.thresholds)
        if self.task is MULTI_LABEL:
            confidence = np.where(chosen, probabilities, 1.0 - probabilities).min(axis=1)
        else:
            confidence = probabilities[chosen]
        given = chosen & (probabilities >= self.min_probability)
        unsure = chosen.any(axis=1) & ~given.any(axis=1)
        silent = np.zeros(len(given), bool)
        if levels_db is not None:
            silent = levels_db < self.silence_db
            given[silent] = False
        reasons = np.select([silent, np.asarray(unsure)], ["silence", "unsure"], "").tolist()
        return Decisions(
            probabilities, given, tuple(reason or None for reason in reasons), confidence
        )
