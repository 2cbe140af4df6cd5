"""How far chance may have moved a figure: intervals that know that clips come in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from earmark.system.shapes import Bool, Float, Float64

Interval = tuple[float, float]
_CHUNK_WEIGHTS = 4_000_000
"""Weights that are held at once: 32 MB."""


def effective_size(
    correct: Bool[np.ndarray, " clips"] | Float64[np.ndarray, " clips"], groups: Sequence[str]
) -> float:
    """How many independent clips would make the accuracy as certain as these clips do.

    Clips of one speaker or one piece tend to be right or wrong together. The variance of the
    accuracy is estimated between groups; where all clips are right, or all wrong, it cannot be, and
    each group counts as one clip.

    Args:
        correct: Which clips were judged rightly, or the share of several judgements of each clip
            that were right: more judgements of the same clips do not make more clips.
        groups: The group of each clip.

    Source:
        Korn and Graubard (1998), Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data, Survey Methodology 24, section 2.

    Example:
        >>> effective_size(np.array([True, True, False, False]), ["a", "a", "b", "b"])
        1.0
    """
    names, numbers = np.unique(groups, return_inverse=True)
    num_clips, num_groups = len(correct), len(names)
    share = correct.mean()
    if num_groups == num_clips:
        return float(num_clips)
    if num_groups == 1 or share in (0.0, 1.0):
        return float(num_groups)
    deviations = np.bincount(numbers, weights=correct - share)
    variance = num_groups / (num_groups - 1) * (deviations**2).sum() / num_clips**2
    if variance == 0:
        return float(num_clips)
    return float(np.clip(share * (1 - share) / variance, 1.0, num_clips))


def wilson_interval(share: float, num_trials: float, confidence: float) -> tuple[float, float]:
    """Interval of a proportion.

    Args:
        share: Share of successes.
        num_trials: Number of independent trials; it need not be whole.
        confidence: Level, such as 0.95.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference,
        JASA 22, equation 8; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Example:
        >>> [round(float(bound), 3) for bound in wilson_interval(15 / 16, 16.0, 0.95)]
        [0.717, 0.989]
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = share + z * z / (2 * num_trials)
    half = z * np.sqrt(share * (1 - share) / num_trials + z * z / (4 * num_trials**2))
    scale = 1 + z * z / num_trials
    low = 0.0 if share == 0 else float((centre - half) / scale)
    high = 1.0 if share == 1 else float((centre + half) / scale)
    return low, high


@dataclass(frozen=True)
class ClusterBootstrap:
    """Percentile intervals from groups that are drawn again, with replacement.

    Every figure is judged by the same draws. Where all clips are right every draw is right too, and
    the interval has no width: Wilson's tells more then.

    Args:
        groups: The group of each clip.
        num_resamples: How often all groups are drawn.
        seed: Seed of the draws.
        confidence: Level, such as 0.95.

    Source:
        Efron and Tibshirani (1993), An introduction to the bootstrap, section 13.3, for the
        percentiles; Field and Welsh (2007), Bootstrapping clustered data, JRSS B 69, for drawing
        whole groups.
    """

    groups: Sequence[str]
    num_resamples: int
    seed: int
    confidence: float

    def ratios(
        self, tops: Float[np.ndarray, "clips figures"], bottoms: Float[np.ndarray, "clips figures"]
    ) -> list[Interval | None]:
        """Intervals of figures that are a sum over clips divided by another.

        Args:
            tops: What each clip adds above the line.
            bottoms: What it adds below.

        Returns:
            None for a figure without a denominator in any draw, and for all where there are fewer
            than two groups.

        Example:
            >>> draws = ClusterBootstrap(["a", "a", "b"], 100, 0, 0.95)
            >>> draws.ratios(np.array([[1.0], [1.0], [0.0]]), np.ones((3, 1)))
            [(0.0, 1.0)]
        """
        names, numbers = np.unique(self.groups, return_inverse=True)
        if len(names) < 2:
            return [None] * tops.shape[1]
        drawn = self._draw(_group_sums(tops, numbers), _group_sums(bottoms, numbers))
        ends = 50.0 * np.array([1.0 - self.confidence, 1.0 + self.confidence])
        intervals: list[Interval | None] = []
        for column in drawn.T:
            known = column[np.isfinite(column)]
            low, high = np.percentile(known, ends) if len(known) else ends
            intervals.append((float(low), float(high)) if len(known) else None)
        return intervals

    def _draw(
        self, tops: Float64[np.ndarray, "groups figures"], bottoms: Float64[np.ndarray, "..."]
    ) -> Float64[np.ndarray, "resamples figures"]:
        """The figures of each draw, NaN without a denominator."""
        num_groups = len(tops)
        rng = np.random.default_rng(self.seed)
        step = max(1, _CHUNK_WEIGHTS // num_groups)
        drawn = []
        for first in range(0, self.num_resamples, step):
            count = min(step, self.num_resamples - first)
            # How often each group is drawn, instead of which: one matrix product does the rest.
            shares = np.full(num_groups, 1.0 / num_groups)
            weights = rng.multinomial(num_groups, shares, size=count).astype(np.float64)
            below = weights @ bottoms
            above = weights @ tops
            drawn.append(np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan))
        return np.concatenate(drawn)


def _group_sums(
    values: Float[np.ndarray, "clips figures"], numbers: np.ndarray
) -> Float64[np.ndarray, "groups figures"]:
    sums = np.zeros((numbers.max() + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums
