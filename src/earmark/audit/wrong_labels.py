"""Which labels are probably wrong, from probabilities of models that were not trained on the clip.

Nothing here knows files: it takes probabilities and the labels that the clips have.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from earmark.system.shapes import Float64
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

Rows = Float64[np.ndarray, "clips labels"]
Column = Float64[np.ndarray, " clips"]
_SMALLEST = 1e-6
"""Probabilities are stored with six digits, so that some are 0."""


class Suspicion(NamedTuple):
    """A clip whose labels are probably wrong.

    Args:
        clip: Index of its row.
        predicted: Indices of the labels that it probably has.
        probability: Of the label that it probably has; in a multi-label task, that the most
            doubtful of its labels is wrong.
        score: As of `label_scores`.
    """

    clip: int
    predicted: tuple[int, ...]
    probability: float
    score: float


def find_wrong_labels(probabilities: Rows, targets: Rows, task: Task) -> list[Suspicion]:
    """The clips whose labels are probably wrong, the most probable first.

    A clip is listed if another label is more probable than its own; in a multi-label task, if a
    label that it has is improbable, or one that it lacks is probable.

    Args:
        probabilities: Of each label, by models that were not trained on the clip.
        targets: 1 for the labels that a clip has: exactly one, except in a multi-label task.
        task: What the labels mean.

    Source:
        Northcutt et al. (2021), Confident learning: estimating uncertainty in dataset labels,
        Journal of Artificial Intelligence Research 70, for probabilities out of fold; its
        thresholds are not used, as decision 95 explains.

    Example:
        >>> from earmark.tasks.task import BINARY
        >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
        >>> targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> [one[:3] for one in find_wrong_labels(probabilities, targets, BINARY)]
        [(1, (1,), 0.8)]
    """
    find = _find_in_sets if task is MULTI_LABEL else _find_single
    return sorted(find(probabilities, targets), key=lambda one: (one.score, one.clip))


def label_scores(probabilities: Rows, targets: Rows, task: Task) -> Column:
    """How well the labels of each clip suit it; the lower, the more probably they are wrong.

    It is the logarithm of the odds of its label against the most probable other one. In a
    multi-label task it is the mean over the labels of the logarithm of the probability that each is
    present, or absent, as it is.

    Args:
        probabilities: As for `find_wrong_labels`.
        targets: As for `find_wrong_labels`.
        task: What the labels mean.
    """
    if task is MULTI_LABEL:
        return np.log(_own_states(probabilities, targets).clip(_SMALLEST)).mean(axis=1)
    own = np.where(targets == 1, probabilities, 0.0).max(axis=1)
    other = np.where(targets == 1, 0.0, probabilities).max(axis=1)
    return np.log(own.clip(_SMALLEST)) - np.log(other.clip(_SMALLEST))


def _find_single(probabilities: Rows, targets: Rows) -> Iterator[Suspicion]:
    others = np.where(targets == 1, 0.0, probabilities).argmax(axis=1)
    scores = label_scores(probabilities, targets, BINARY)
    for clip in map(int, np.flatnonzero(scores < 0)):
        label = int(others[clip])
        yield Suspicion(clip, (label,), float(probabilities[clip, label]), float(scores[clip]))


def _find_in_sets(probabilities: Rows, targets: Rows) -> Iterator[Suspicion]:
    own = _own_states(probabilities, targets)
    scores = label_scores(probabilities, targets, MULTI_LABEL)
    for clip in map(int, np.flatnonzero((own < 0.5).any(axis=1))):
        predicted = np.flatnonzero((targets[clip] == 1) != (own[clip] < 0.5))
        probability = float(1.0 - own[clip].min())
        yield Suspicion(clip, tuple(map(int, predicted)), probability, float(scores[clip]))


def _own_states(probabilities: Rows, targets: Rows) -> Rows:
    """The probability that each label is present or absent, as it is."""
    return np.where(targets == 1, probabilities, 1.0 - probabilities)
