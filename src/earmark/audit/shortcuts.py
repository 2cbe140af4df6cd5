"""Shortcuts: properties that should not matter, but predict the label."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from earmark.audit.findings import Finding, Severity
from earmark.data.recording import Recording
from earmark.data.signals.signal import SignalStats
from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.system.shapes import Float64

FOLDS = 5
MAX_CLIPS = 5000
RESAMPLES = 1000
CONFIDENCE = 0.98
"""Of the two-sided interval: accuracy beats chance if its lower end, the 1st percentile, does."""

Item = tuple[Recording, SignalStats]
FILE_PROPERTIES = {
    "sample rate": "sample_rate",
    "channels": "channels",
    "codec": "codec",
    "duration": "duration_seconds",
}
SOUND_PROPERTIES = {
    "leading silence": "leading_seconds",
    "trailing silence": "trailing_seconds",
    "level": "level_db",
    "bandwidth": "bandwidth_hz",
    "noise floor": "noise_floor_db",
}
"""Name of each property to the attribute of `SignalStats`."""


def shortcut_findings(measured: Sequence[Item]) -> Iterator[Finding]:
    """Predicts the label from file format, level, bandwidth and the like, on held-out groups.

    A random forest is cross-validated by group. There is a finding if the lower end of the
    bootstrap interval of its accuracy over groups exceeds the fraction of the most common label:
    a warning for properties of the file, and a note for silence, level, bandwidth and noise floor,
    which may belong to what is recorded. Recordings with an unknown property are left out.

    Args:
        measured: The recordings that could be read. Only those with one label are used, of labels
            with at least `FOLDS` groups; of duplicates only one, since a copy in another group
            would give the label away.
    """
    distinct = {stats.digest: (one, stats) for one, stats in reversed(measured)}
    items = [item for item in reversed(distinct.values()) if len(item[0].labels) == 1]
    items = _with_enough_groups(items[:: -(-len(items) // MAX_CLIPS) or 1])
    if _num_labels(items) < 2:
        message = f"no search for shortcuts: it needs two labels of {FOLDS} groups each"
        yield Finding("shortcut", "note", (), message)
        return
    yield from _search(items, FILE_PROPERTIES, "warning")
    yield from _search(items, SOUND_PROPERTIES, "note")


def _search(
    items: Sequence[Item], properties: dict[str, str], severity: Severity
) -> Iterator[Finding]:
    """A finding if the properties together predict the label better than chance."""
    known = _with_enough_groups(
        [
            item
            for item in items
            if all(getattr(item[1], name) is not None for name in properties.values())
        ]
    )
    if _num_labels(known) < 2:
        return
    probe = _Probe(known)
    columns = np.array([probe.column(name) for name in properties.values()]).T
    accuracy, low = probe.score(columns)
    if low > probe.chance:
        alone = [
            (probe.score(columns[:, [index]])[0], name) for index, name in enumerate(properties)
        ]
        best, name = max(alone)
        message = (
            f"{', '.join(properties)} predict the label of {accuracy:.0%} of the recordings "
            f"without listening (at least {low:.0%}; the most common label: {probe.chance:.0%}); "
            f"{name} alone, {best:.0%}; record all labels alike, or test on other recordings"
        )
        yield Finding("shortcut", severity, (), message)


def _with_enough_groups(items: Sequence[Item]) -> list[Item]:
    """Those of labels with a group for each fold."""
    groups: dict[str, set[str]] = defaultdict(set)
    for one, _ in items:
        groups[one.labels[0]].add(one.group)
    return [item for item in items if len(groups[item[0].labels[0]]) >= FOLDS]


def _num_labels(items: Sequence[Item]) -> int:
    return len({one.labels[0] for one, _ in items})


@dataclass(frozen=True)
class _Probe:
    """Predicts the labels of recordings from some of their properties."""

    items: Sequence[Item]

    @property
    def labels(self) -> np.ndarray:
        return np.array([one.labels[0] for one, _ in self.items])

    @property
    def chance(self) -> float:
        """Fraction of the most common label."""
        return float(np.unique(self.labels, return_counts=True)[1].max() / len(self.items))

    def column(self, attribute: str) -> Float64[np.ndarray, " clips"]:
        """The values of a property; names are numbered."""
        values = np.array([getattr(stats, attribute) for _, stats in self.items])
        if values.dtype.kind == "U":
            values = np.unique(values, return_inverse=True)[1]
        return values.astype(np.float64)

    def score(self, rows: Float64[np.ndarray, "clips properties"]) -> tuple[float, float]:
        """Accuracy on held-out groups and the lower end of its interval."""
        if (rows == rows[0]).all():
            return self.chance, 0.0
        groups = [one.group for one, _ in self.items]
        forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
        labels = self.labels
        correct = cross_val_predict(forest, rows, labels, groups=groups, cv=folds) == labels
        bootstrap = ClusterBootstrap(groups, RESAMPLES, 0, CONFIDENCE)
        interval = bootstrap.mean_interval(correct)
        return float(correct.mean()), interval[0] if interval else 0.0
