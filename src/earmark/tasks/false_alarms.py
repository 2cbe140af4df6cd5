"""From scores of known sound to the score that at most a given fraction of known sound exceeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.system.shapes import Float

MAX_SCORES = 500
"""Scores that a model keeps; enough for a rate of 1 / 501 without a model of the tail."""

MIN_SCORES = 10
"""Scores that a threshold needs: fewer say too little about a rare one."""


@dataclass(frozen=True)
class KnownScores:
    """Scores of sound that a model knows but did not train on, as `keep_scores` gives them.

    Args:
        clips: Of whole clips.
        windows: Of their windows.
    """

    clips: tuple[float, ...] = ()
    windows: tuple[float, ...] = ()


NO_SCORES = KnownScores()


def keep_scores(scores: Float[np.ndarray, " sounds"]) -> tuple[float, ...]:
    """Scores in rising order, to six digits; of many only some, at even ranks.

    The largest is always kept. So the highest ranks of those that are kept are no lower than the
    same ranks of all, and a threshold from them is no lower.

    Args:
        scores: Of sound that the model knows but did not train on.

    Example:
        >>> keep_scores(np.array([3.0, 1.0, 2.0]))
        (1.0, 2.0, 3.0)
    """
    ordered = np.sort(scores)
    kept = min(len(ordered), MAX_SCORES)
    ranks = np.ceil(np.arange(1, kept + 1) * len(ordered) / max(kept, 1)).astype(int) - 1
    return tuple(float(f"{one:.6g}") for one in ordered[ranks])


def alarm_threshold(scores: Sequence[float], rate: float) -> float:
    """The score above which at most a fraction ``rate`` of known sound is expected.

    A new score exceeds the j-th smallest of n like it with probability (n + 1 - j) / (n + 1). With
    1 / rate - 1 scores or more, the threshold is the lowest score for which this is no more than
    the rate, whatever the distribution. Fewer, such as 20 for a rate of 1 %, cannot show so rare a
    score: the threshold then lies beyond the largest. The m scores above the median are taken to
    exceed it as an exponential distribution does; a new one then lies ``m x`` times their mean
    excess above the median, or more, with probability ``(m + 1) / (n + 1) (1 + x) ** -m``, which
    allows for the uncertainty of that mean.

    Args:
        scores: In rising order, of sound that the model knows but did not train on.
        rate: From 0 to 1; 0 raises no alarm.

    Returns:
        Infinity, which no score exceeds, also where there are fewer than `MIN_SCORES`.

    Source:
        Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world, section 2.2, for
        the ranks; Pickands (1975), Statistical inference using extreme order statistics, Annals of
        Statistics 3, for the tail, here with shape 0.

    Example:
        >>> alarm_threshold([float(one) for one in range(1, 200)], 0.01)
        198.0
        >>> alarm_threshold([float(one) for one in range(1, 20)], 0.01) > 19.0
        True
        >>> alarm_threshold([1.0, 2.0, 3.0], 0.01)
        inf
    """
    number = len(scores)
    if rate <= 0 or number < MIN_SCORES:
        return math.inf
    # Rounded: (1 - 0.01) * 200 is not 198 otherwise.
    rank = math.ceil(round((1.0 - rate) * (number + 1), 9))
    if rank <= number:
        return scores[max(rank, 1) - 1]
    above = number // 2
    median = scores[-above - 1]
    mean_excess = float(np.mean(scores[-above:])) - median
    reach = (rate * (number + 1) / (above + 1)) ** (-1.0 / above) - 1.0
    return max(scores[-1], median + above * reach * mean_excess)
