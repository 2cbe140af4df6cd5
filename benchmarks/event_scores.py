"""How well segments agree with what is annotated: segment-based and event-based F1.

The definitions are those of the package sed_eval, which `tests/test_benchmarks.py` restates in
examples worked by hand.

Source:
    Mesaros, Heittola and Virtanen (2016), Metrics for polyphonic sound event detection, Applied
    Sciences 6(6):162, sections 3.1 (segment-based) and 3.2 (event-based); micro averages.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from earmark.system.shapes import Bool

Event = tuple[float, float, str]
"""Onset and offset in seconds, and label."""


@dataclass(frozen=True)
class Agreement:
    """Counts of a comparison; they add up over recordings.

    Args:
        num_true: Found and annotated.
        num_found: Found.
        num_annotated: Annotated.
    """

    num_true: int
    num_found: int
    num_annotated: int

    @property
    def precision(self) -> float:
        """Share of the found that is annotated; not a number when nothing is found."""
        return self.num_true / self.num_found if self.num_found else math.nan

    @property
    def recall(self) -> float:
        """Share of the annotated that is found; not a number when nothing is annotated."""
        return self.num_true / self.num_annotated if self.num_annotated else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; not a number when there is nothing at all."""
        total = self.num_found + self.num_annotated
        return 2 * self.num_true / total if total else math.nan

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.num_true + other.num_true,
            self.num_found + other.num_found,
            self.num_annotated + other.num_annotated,
        )


def compare_segments(
    annotated: Sequence[Event], found: Sequence[Event], *, resolution_seconds: float = 0.01
) -> Agreement:
    """Counts short segments of time, for each label by itself, in which it is active.

    A label is active in a segment if it is so in any part of it.

    Args:
        annotated: The truth.
        found: What is scored.
        resolution_seconds: Length of a segment.
    """
    labels = sorted({label for _, _, label in (*annotated, *found)})
    ends = (end for _, end, _ in (*annotated, *found))
    num_segments = max((math.ceil(_ratio(end, resolution_seconds)) for end in ends), default=0)
    truth, guess = (
        _roll(events, labels, num_segments, resolution_seconds) for events in (annotated, found)
    )
    return Agreement(int((truth & guess).sum()), int(guess.sum()), int(truth.sum()))


def compare_events(
    annotated: Sequence[Event],
    found: Sequence[Event],
    *,
    collar_seconds: float = 0.2,
    share_of_length: float = 0.5,
) -> Agreement:
    """Counts events of the right label whose onset and offset lie within a collar.

    An offset may also be off by a share of the length of the annotated event. Each event is matched
    with one other at most, so that there are as many matches as possible.

    Args:
        annotated: The truth.
        found: What is scored.
        collar_seconds: How far an instant may be off.
        share_of_length: The share; 0 for the collar alone.
    """
    if not annotated or not found:
        return Agreement(0, len(found), len(annotated))
    fits = np.array(
        [
            [
                label == found_label
                and abs(onset - found_onset) <= collar_seconds
                and abs(offset - found_offset)
                <= max(collar_seconds, share_of_length * (offset - onset))
                for found_onset, found_offset, found_label in found
            ]
            for onset, offset, label in annotated
        ]
    )
    matched = maximum_bipartite_matching(csr_array(fits))
    return Agreement(int((matched >= 0).sum()), len(found), len(annotated))


def _roll(
    events: Sequence[Event], labels: Sequence[str], num_segments: int, resolution_seconds: float
) -> Bool[np.ndarray, "segments labels"]:
    """Which label is active in which segment."""
    roll = np.zeros((num_segments, len(labels)), bool)
    for onset, offset, label in events:
        first = math.floor(_ratio(onset, resolution_seconds))
        last = math.ceil(_ratio(offset, resolution_seconds))
        roll[first:last, labels.index(label)] = True
    return roll


def _ratio(seconds: float, resolution_seconds: float) -> float:
    """Segments in so many seconds; 0.29 s are 29 of 0.01 s, and not 28.999999999999996."""
    return round(seconds / resolution_seconds, 6)
