"""Whether two models differ significantly on the same clips."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from earmark.evaluation.metrics.formats import format_interval
from earmark.evaluation.metrics.intervals import ClusterBootstrap, Interval
from earmark.system.shapes import Bool


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of the clips that exactly one of two models predicts correctly.

    It treats clips as independent; for large groups, trust the interval of the difference.

    Args:
        num_only_first: Clips that only the first model predicts correctly.
        num_only_second: Clips that only the second model predicts correctly.
        p_value: Probability of a split at least as uneven if both models were equally accurate.
    """

    num_only_first: int
    num_only_second: int
    p_value: float


def mcnemar(first: Bool[np.ndarray, " clips"], second: Bool[np.ndarray, " clips"]) -> McNemar:
    """McNemar's exact test of two models.

    Args:
        first: Which clips the first model predicts correctly.
        second: Which clips the second model predicts correctly.

    Source:
        McNemar (1947), Note on the sampling error of the difference between correlated proportions
        or percentages, Psychometrika 12; the binomial in place of chi-squared, for few clips.

    Example:
        >>> mcnemar(np.array([True] * 6), np.array([False] * 6)).p_value
        0.03125
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    num_discordant = only_first + only_second
    p_value = float(binomtest(only_first, num_discordant).pvalue) if num_discordant else 1.0
    return McNemar(only_first, only_second, p_value)


@dataclass(frozen=True)
class PairedDifference:
    """Two models on the same clips.

    Args:
        num_clips: Number of clips.
        num_correct: Number of correct predictions of the first and of the second model.
        interval: Bootstrap interval, over groups, of the first accuracy minus the second; None for
            fewer than two groups.
        test: McNemar's test.
    """

    num_clips: int
    num_correct: tuple[int, int]
    interval: Interval | None
    test: McNemar

    @property
    def accuracies(self) -> tuple[float, float]:
        """Accuracy of the first and of the second model."""
        first, second = self.num_correct
        return first / self.num_clips, second / self.num_clips

    @property
    def difference(self) -> float:
        """The first accuracy minus the second."""
        return (self.num_correct[0] - self.num_correct[1]) / self.num_clips

    def __str__(self) -> str:
        p_value = f"McNemar p {self.test.p_value:.2g}"
        if self.interval is None:
            return (
                f"difference {self.difference:+.1%}, no interval, as the clips are of one group; "
                f"{p_value} of these clips alone"
            )
        interval = format_interval(self.interval, "+.1%")
        return f"difference {self.difference:+.1%}, interval {interval}, {p_value}"

    def to_dict(self) -> dict[str, Any]:
        """The metrics under the names that ``--json`` prints."""
        return {
            "num_clips": self.num_clips,
            "difference": self.difference,
            "difference_interval": list(self.interval) if self.interval else None,
            "mcnemar": asdict(self.test),
        }


def compare_paired(
    first: Bool[np.ndarray, " clips"],
    second: Bool[np.ndarray, " clips"],
    bootstrap: ClusterBootstrap,
) -> PairedDifference:
    """Compares two models on the same clips.

    Args:
        first: Which clips the first model predicts correctly.
        second: Which clips the second model predicts correctly.
        bootstrap: Of the groups of the clips.

    Example:
        >>> bootstrap = ClusterBootstrap(["a", "b", "c", "d"], 100, 0, 0.95)
        >>> hits = np.array([True, True, True, False])
        >>> compare_paired(hits, ~hits, bootstrap).difference
        0.5
    """
    interval = bootstrap.mean_interval(first.astype(np.float64) - second)
    num_correct = int(first.sum()), int(second.sum())
    return PairedDifference(len(first), num_correct, interval, mcnemar(first, second))


def compare_several(
    firsts: Bool[np.ndarray, "models clips"],
    second: Bool[np.ndarray, " clips"],
    bootstrap: ClusterBootstrap,
) -> PairedDifference:
    """Compares several networks of one training, which differ in their seed, with another model.

    Predictions of several seeds for one clip are not independent, so the seeds are tested one by
    one, and the largest p-value is that of the comparison: the difference is significant if it is
    for every seed. The interval resamples groups of clips, with the mean over the seeds for each.

    Args:
        firsts: Which clips each network predicts correctly.
        second: Which clips the other model predicts correctly.
        bootstrap: Of the groups of the clips.

    Returns:
        Counts of clips and correct predictions over all seeds, the other model's once a seed.

    Example:
        >>> bootstrap = ClusterBootstrap(["a", "b"], 100, 0, 0.95)
        >>> hits = np.array([[True, True], [True, False]])
        >>> compare_several(hits, np.array([False, False]), bootstrap).difference
        0.75
    """
    interval = bootstrap.mean_interval(firsts.mean(axis=0) - second)
    tests = [mcnemar(first, second) for first in firsts]
    num_correct = int(firsts.sum()), len(firsts) * int(second.sum())
    return PairedDifference(
        firsts.size, num_correct, interval, max(tests, key=lambda one: one.p_value)
    )
