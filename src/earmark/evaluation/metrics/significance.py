"""Whether two ways of judging the same clips differ by more than chance."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from earmark.evaluation.metrics.intervals import ClusterBootstrap, Interval
from earmark.system.shapes import Bool


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: of the clips that only one judged rightly, is half the first's?

    It takes clips as independent; where groups are large, trust the interval of the difference.

    Args:
        num_only_first: Clips that only the first judged rightly.
        num_only_second: Clips that only the second judged rightly.
        p_value: Chance of so uneven a division, or a more uneven one, if both were equally good.
    """

    num_only_first: int
    num_only_second: int
    p_value: float


def mcnemar(first: Bool[np.ndarray, " clips"], second: Bool[np.ndarray, " clips"]) -> McNemar:
    """McNemar's exact test of two ways of judging.

    Args:
        first: Which clips the one judged rightly.
        second: Which clips the other judged rightly.

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
    """Two ways of judging the same clips.

    Args:
        num_clips: How many clips both judged.
        num_correct: How many of them the first and the second judged rightly.
        interval: Bootstrap interval, over groups, of the first accuracy less the second; None for
            fewer than two groups.
        test: McNemar's test.
    """

    num_clips: int
    num_correct: tuple[int, int]
    interval: Interval | None
    test: McNemar

    @property
    def difference(self) -> float:
        """The first accuracy less the second."""
        return (self.num_correct[0] - self.num_correct[1]) / self.num_clips

    def to_dict(self) -> dict[str, Any]:
        """The figures under the names that ``--json`` prints."""
        return {
            "num_clips": self.num_clips,
            "difference": self.difference,
            "difference_interval": list(self.interval) if self.interval else None,
            "mcnemar": asdict(self.test),
        }


def compare_paired(
    first: Bool[np.ndarray, " clips"], second: Bool[np.ndarray, " clips"], draws: ClusterBootstrap
) -> PairedDifference:
    """Two ways of judging the same clips, by the same draws of groups.

    Args:
        first: Which clips the one judged rightly.
        second: Which clips the other judged rightly.
        draws: Of the clips' groups.
    """
    steps = first.astype(np.float64) - second
    (interval,) = draws.ratios(steps[:, None], np.ones((len(steps), 1)))
    num_correct = int(first.sum()), int(second.sum())
    return PairedDifference(len(first), num_correct, interval, mcnemar(first, second))
