"""Confidence intervals for clips that come in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from earmark.system.shapes import Bool, Float, Float64

Interval = tuple[float, float]
_CHUNK_WEIGHTS = 4_000_000
"""Weights in memory at once: 32 MB."""


def effective_size(
    correct: Bool[np.ndarray, " clips"] | Float64[np.ndarray, " clips"], groups: Sequence[str]
) -> float:
    """Number of independent clips whose accuracy would have the same variance.

    Clips of one speaker or one piece tend to be correct or wrong together. The variance of the
    accuracy is estimated between groups. It cannot be estimated if all clips are correct, or all
    wrong; then each group counts as one clip.

    Args:
        correct: Which clips are predicted correctly, or the fraction of several predictions of each
            clip that are correct: more predictions of the same clips do not make more clips.
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
    fraction = correct.mean()
    if num_groups == num_clips:
        return float(num_clips)
    if num_groups == 1 or fraction in (0.0, 1.0):
        return float(num_groups)
    deviations = np.bincount(numbers, weights=correct - fraction)
    variance = num_groups / (num_groups - 1) * (deviations**2).sum() / num_clips**2
    if variance == 0:
        return float(num_clips)
    return float(np.clip(fraction * (1 - fraction) / variance, 1.0, num_clips))


def wilson_interval(fraction: float, num_trials: float, confidence: float) -> tuple[float, float]:
    """Wilson's confidence interval of a proportion.

    Args:
        fraction: Fraction of successes.
        num_trials: Number of independent trials, not necessarily an integer.
        confidence: Level, such as 0.95.

    Source:
        Wilson (1927), Probable inference, the law of succession, and statistical inference,
        JASA 22, equation 8; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Example:
        >>> [round(float(bound), 3) for bound in wilson_interval(15 / 16, 16.0, 0.95)]
        [0.717, 0.989]
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = fraction + z * z / (2 * num_trials)
    half = z * np.sqrt(fraction * (1 - fraction) / num_trials + z * z / (4 * num_trials**2))
    scale = 1 + z * z / num_trials
    low = 0.0 if fraction == 0 else float((centre - half) / scale)
    high = 1.0 if fraction == 1 else float((centre + half) / scale)
    return low, high


@dataclass(frozen=True)
class ClusterBootstrap:
    """Percentile intervals from groups that are resampled with replacement.

    All metrics share the same resamples. If all clips are correct, so are all resamples, and the
    interval has no width; Wilson's interval is more informative then.

    Args:
        groups: The group of each clip.
        num_resamples: Number of resamples.
        seed: Seed of the resamples.
        confidence: Level, such as 0.95.

    Source:
        Efron and Tibshirani (1993), An introduction to the bootstrap, section 13.3, for the
        percentiles; Field and Welsh (2007), Bootstrapping clustered data, JRSS B 69, for resampling
        whole groups.
    """

    groups: Sequence[str]
    num_resamples: int
    seed: int
    confidence: float

    def mean_interval(
        self, values: Bool[np.ndarray, " clips"] | Float[np.ndarray, " clips"]
    ) -> Interval | None:
        """Interval of a mean over clips; None for fewer than two groups.

        Args:
            values: One per clip, such as whether it is predicted correctly.

        Example:
            >>> bootstrap = ClusterBootstrap(["a", "a", "b"], 100, 0, 0.95)
            >>> bootstrap.mean_interval(np.array([True, True, False]))
            (0.0, 1.0)
        """
        (interval,) = self.intervals(values[:, None].astype(np.float64), np.ones((len(values), 1)))
        return interval

    def intervals(
        self,
        numerators: Float[np.ndarray, "clips metrics"],
        denominators: Float[np.ndarray, "clips metrics"],
    ) -> list[Interval | None]:
        """Intervals of metrics that are a ratio of two sums over clips.

        Args:
            numerators: What each clip adds to the numerator of each metric.
            denominators: What it adds to the denominator.

        Returns:
            None for a metric whose denominator is zero in every resample, and for all metrics if
            there are fewer than two groups.

        Example:
            >>> bootstrap = ClusterBootstrap(["a", "a", "b"], 100, 0, 0.95)
            >>> bootstrap.intervals(np.array([[1.0], [1.0], [0.0]]), np.ones((3, 1)))
            [(0.0, 1.0)]
        """
        names, numbers = np.unique(self.groups, return_inverse=True)
        if len(names) < 2:
            return [None] * numerators.shape[1]
        resampled = self._resample(
            _group_sums(numerators, numbers), _group_sums(denominators, numbers)
        )
        ends = 50.0 * np.array([1.0 - self.confidence, 1.0 + self.confidence])
        intervals: list[Interval | None] = []
        for column in resampled.T:
            known = column[np.isfinite(column)]
            low, high = np.percentile(known, ends) if len(known) else ends
            intervals.append((float(low), float(high)) if len(known) else None)
        return intervals

    def _resample(
        self,
        numerators: Float64[np.ndarray, "groups metrics"],
        denominators: Float64[np.ndarray, "groups metrics"],
    ) -> Float64[np.ndarray, "resamples metrics"]:
        """The metrics of each resample, NaN where the denominator is zero."""
        num_groups = len(numerators)
        rng = np.random.default_rng(self.seed)
        step = max(1, _CHUNK_WEIGHTS // num_groups)
        chunks = []
        for first in range(0, self.num_resamples, step):
            count = min(step, self.num_resamples - first)
            # The count of each group in a resample turns the sums into one matrix product.
            probabilities = np.full(num_groups, 1.0 / num_groups)
            weights = rng.multinomial(num_groups, probabilities, size=count).astype(np.float64)
            below = weights @ denominators
            above = weights @ numerators
            chunks.append(np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan))
        return np.concatenate(chunks)


def _group_sums(
    values: Float[np.ndarray, "clips metrics"], numbers: np.ndarray
) -> Float64[np.ndarray, "groups metrics"]:
    sums = np.zeros((numbers.max() + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums
