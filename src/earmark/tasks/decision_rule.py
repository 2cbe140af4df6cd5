"""From the logits of windows to the labels of their clip: one rule for testing and prediction.

::

    windows ──pooling──▶ logits ──temperature──▶ probabilities ──thresholds──▶ labels
                                        ──silence, novelty, doubt, background──▶ decision
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from earmark.system.shapes import Bool, Float, Float64, Int
from earmark.tasks.pooling import Pooling, clip_logits
from earmark.tasks.task import MULTI_LABEL, Task

Reason = Literal["silence", "unlike_training", "unsure", "background"]
"""Why the model gives no label."""


@dataclass(frozen=True)
class Decisions:
    """The decision on each clip.

    Args:
        probabilities: Of each label, calibrated.
        chosen: Which labels are predicted; none where the model abstains. In a multi-label task no
            label may also be the decision.
        abstained: Why the model gives no label; None where it gives one.
        confidence: Probability that the choice without abstention is correct: that of the chosen
            label; in a multi-label task that of the least certain label, present or absent.
        background: Index of the background label; None where there is none.
        novelty: How unlike the sound of training each clip is; None where the model has no score.
    """

    probabilities: Float64[np.ndarray, "clips labels"]
    chosen: Bool[np.ndarray, "clips labels"]
    abstained: tuple[Reason | None, ...]
    confidence: Float64[np.ndarray, " clips"]
    background: int | None = None
    novelty: Float64[np.ndarray, " clips"] | None = None

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Indices of the predicted labels of each clip, in order."""
        for row in self.chosen:
            yield tuple(map(int, np.flatnonzero(row)))

    @property
    def outcomes(self) -> Bool[np.ndarray, "clips labels"]:
        """What tests compare with the targets: `chosen`, and the background for no label at all.

        The background has no other right prediction than none, whatever its reason.
        """
        if self.background is None:
            return self.chosen
        outcomes = self.chosen.copy()
        outcomes[:, self.background] = ~self.chosen.any(axis=1)
        return outcomes

    def outcome_indices(self) -> Iterator[tuple[int, ...]]:
        """Indices of the outcomes of each clip, in order."""
        for row in self.outcomes:
            yield tuple(map(int, np.flatnonzero(row)))

    def correct(self, targets: Float[np.ndarray, "clips labels"]) -> Bool[np.ndarray, " clips"]:
        """Which clips have exactly their true labels predicted; the background's is none."""
        return (self.outcomes == targets).all(axis=1)

    @property
    def is_decided(self) -> Bool[np.ndarray, " clips"]:
        """On which clips the model decides; that a clip is background is a decision."""
        return np.array([reason in (None, "background") for reason in self.abstained], bool)


@dataclass(frozen=True)
class DecisionRule:
    """How logits become labels.

    Args:
        task: What the labels mean.
        thresholds: Calibrated probabilities from which labels are chosen, in the form that the task
            takes.
        temperature: What logits are divided by to calibrate probabilities.
        min_probability: A chosen label that is less probable is dropped, and a clip that is left
            without any is ``unsure``.
        silence_db: A clip whose loudest frame lies below is silent, in dB of full scale.
        silence_label: Index of the label of silent clips, which is then certain; None abstains on
            them with the reason ``silence``.
        max_novelty: A clip whose score of novelty is above is ``unlike_training``.
        pooling: How the logits of windows become those of their clip.
        background: Index of the label that is never predicted: where it would be, the model gives
            none, with the reason ``background``. None where every label is predicted.

    Source:
        Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599, section 4.2,
        for the temperature; Chow (1970), On optimum recognition error and reject tradeoff, IEEE
        Transactions on Information Theory 16, for abstaining below a probability.

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
    pooling: Pooling = "mean"
    silence_label: int | None = None
    background: int | None = None
    max_novelty: float = math.inf

    def pool(
        self,
        window_logits: Float[np.ndarray, "windows outputs"],
        window_clips: Int[np.ndarray, " windows"],
    ) -> Float64[np.ndarray, "clips outputs"]:
        """Logits of clips from those of their windows; see `earmark.tasks.pooling.clip_logits`.

        Args:
            window_logits: As the network gives them, a row a window.
            window_clips: Number of each window's clip, rising.
        """
        return clip_logits(window_logits, window_clips, task=self.task, pooling=self.pooling)

    def calibrate(
        self, logits: Float[np.ndarray, "clips outputs"]
    ) -> Float64[np.ndarray, "clips outputs"]:
        """Logits whose probabilities are calibrated."""
        return logits.astype(np.float64) / self.temperature

    @property
    def without_abstention(self) -> "DecisionRule":
        """The same rule without abstention: it decides on every clip, for the background too."""
        silence_db = -math.inf if self.silence_label is None else self.silence_db
        return replace(
            self,
            min_probability=0.0,
            silence_db=silence_db,
            background=None,
            max_novelty=math.inf,
        )

    @property
    def lane_thresholds(self) -> tuple[float, ...]:
        """Probabilities from which a label is predicted in a time line.

        The labels of a multi-label task are predicted one by one, so each must reach
        ``min_probability``; in other tasks the model abstains on the window.
        """
        if self.task is not MULTI_LABEL:
            return self.thresholds
        return tuple(max(one, self.min_probability) for one in self.thresholds)

    def decide(
        self,
        logits: Float[np.ndarray, "clips outputs"],
        levels_db: Float[np.ndarray, " clips"] | None = None,
        novelty: Float[np.ndarray, " clips"] | None = None,
    ) -> Decisions:
        """Labels of each clip, or abstention.

        Args:
            logits: As the network gives them, a row a clip.
            levels_db: Level of each clip's loudest frame, as of `peak_level_db`;
                by default no clip is silence.
            novelty: How unlike training each clip is, as of `pool_novelty`; by default no clip is.
        """
        probabilities = self.task.probabilities(self.calibrate(logits))
        silent = np.zeros(len(probabilities), bool)
        if levels_db is not None:
            silent = levels_db < self.silence_db
        unlike = np.zeros_like(silent)
        if novelty is not None:
            unlike = (novelty > self.max_novelty) & ~silent
        if self.silence_label is not None:
            probabilities[silent] = np.arange(probabilities.shape[1]) == self.silence_label
            silent = np.zeros_like(silent)
        chosen = self.task.choose(probabilities, self.thresholds)
        if self.task is MULTI_LABEL:
            confidence = np.where(chosen, probabilities, 1.0 - probabilities).min(axis=1)
        else:
            confidence = probabilities[chosen]
        kept = chosen & (probabilities >= self.min_probability)
        unsure = chosen.any(axis=1) & ~kept.any(axis=1)
        kept[silent | unlike] = False
        other = np.zeros_like(silent)
        if self.background is not None:
            other = kept[:, self.background].copy()
            kept[:, self.background] = False
        found = {
            "silence": silent,
            "unlike_training": unlike,
            "unsure": unsure,
            "background": other,
        }
        reasons = np.select(list(map(np.asarray, found.values())), list(found), "").tolist()
        abstained = tuple(reason or None for reason in reasons)
        return Decisions(probabilities, kept, abstained, confidence, self.background, novelty)
