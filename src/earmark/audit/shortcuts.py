"""Whether properties that should not matter give the label away."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from earmark.audit.findings import Finding
from earmark.audit.signal import SignalStats
from earmark.data.manifest import Recording

FOLDS = 5
MOST_CLIPS = 5000
RESAMPLES = 1000
CONFIDENCE = 0.99
FILE_PROPERTIES = ("sample rate", "channels", "codec", "duration")
SOUND_PROPERTIES = ("leading silence", "trailing silence", "level", "bandwidth", "noise floor")


def shortcut_findings(heard: Sequence[tuple[Recording, SignalStats]]) -> Iterator[Finding]:
    """Predicts the label from level, bandwidth, file format and the like, one group held out.

    A random forest is cross-validated by group. It beats chance when the lower end of a bootstrap
    interval of its accuracy over groups lies above the share of the most common label. Properties
    of the file are a warning; silence, level, bandwidth and noise floor may
    belong to what is recorded, so they are a note.

    Args:
        heard: SignalStats of the recordings; those with one label, of at least `FOLDS` groups, are
            used.
    """
    items = [(one, facts) for one, facts in heard if len(one.labels) == 1]
    step = -(-len(items) // MOST_CLIPS) or 1
    items = _with_groups(items[::step])
    labels = np.array([one.labels[0] for one, _ in items])
    groups = np.array([one.group for one, _ in items])
    if len(set(labels)) < 2:
        message = f"shortcuts were not looked for: that takes two labels of {FOLDS} groups each"
        yield Finding("shortcut", "note", (), message)
        return
    codecs = sorted({facts.codec for _, facts in items})
    rows = np.array([_row(facts, codecs) for _, facts in items])
    names = (*FILE_PROPERTIES, *SOUND_PROPERTIES)
    for kind, columns in (("warning", slice(0, 4)), ("note", slice(4, 9))):
        accuracy, low, chance = _score(rows[:, columns], labels, groups)
        if low > chance:
            alone = [
                (_score(rows[:, [index]], labels, groups)[0], names[index])
                for index in range(*columns.indices(len(names)))
            ]
            share, name = max(alone)
            message = (
                f"{', '.join(names[columns])} alone tell the label of {accuracy:.0%} of the "
                f"recordings (at least {low:.0%}; the most common label is {chance:.0%}), {name} "
                f"by itself of {share:.0%}; record all labels alike, or test on other recordings"
            )
            yield Finding("shortcut", kind, (), message)


def _with_groups(
    items: Sequence[tuple[Recording, SignalStats]],
) -> list[tuple[Recording, SignalStats]]:
    """Those whose label is in enough groups that each fold can test on one."""
    groups: dict[str, set[str]] = defaultdict(set)
    for one, _ in items:
        groups[one.labels[0]].add(one.group)
    return [(one, facts) for one, facts in items if len(groups[one.labels[0]]) >= FOLDS]


def _row(facts: SignalStats, codecs: list[str]) -> tuple[float | int, ...]:
    file = (facts.sample_rate, facts.channels, codecs.index(facts.codec), facts.duration_seconds)
    silence = (facts.leading_seconds, facts.trailing_seconds)
    return (*file, *silence, facts.level_db, facts.bandwidth_hz, facts.noise_floor_db)


def _score(rows: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, its lower bound, and the share of the most common label."""
    chance = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    if (rows == rows[0]).all():
        return chance, 0.0, chance
    forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    correct = cross_val_predict(forest, rows, labels, groups=groups, cv=folds) == labels
    members = np.unique(groups, return_inverse=True)[1]
    right, sizes = np.bincount(members, correct), np.bincount(members)
    drawn = np.random.default_rng(0).integers(len(sizes), size=(RESAMPLES, len(sizes)))
    shares = right[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return float(correct.mean()), float(np.quantile(shares, 1 - CONFIDENCE)), chance
