"""From the probabilities of overlapping windows to labelled segments of a recording.

The recording is divided at the instants half-way between the middles of neighbouring windows; each
part is a cell, and the probabilities of its window hold in all of it::

    windows   |-----1-----|
                  |-----2-----|
                      |-----3-----|
    cells     |---1---|-2-|---3---|

Whole windows determine the sequence of labels. A window near a change contains both sides of it, so
the instant of the change is then determined by the middles of the windows alone.

Labels that exclude each other share one lane. Labels that may occur at once have a lane each, in
which the label is on or off.
"""

import bisect
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.config import PredictConfig
from earmark.system.shapes import Bool, Float32, Float64, Int
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

SMALLEST = 1e-6
"""Smallest probability and threshold, so that no single window determines a whole segment."""
IMPOSSIBLE = -1e6
"""Score of abstention in a cell with a decision: worse than any number of uncertain cells."""
ABSTAINED = -1.0
"""Score of any label in a cell without a decision, so that segments extend over short pauses."""
DECIMALS = 3
"""Of the start and end of a segment, in seconds: what every file format can hold."""

Scores = Float64[np.ndarray, "cells lanes states"]
States = Int[np.ndarray, "cells lanes"]


@dataclass(frozen=True)
class Segment:
    """A labelled part of a recording.

    Args:
        start: In seconds.
        end: In seconds.
        label: The label.
        probability: The mean of the label's probability over the segment.

    Example:
        >>> Segment(0.0, 12.5, "music", 0.98).to_dict()
        {'start': 0.0, 'end': 12.5, 'label': 'music', 'probability': 0.98}
    """

    start: float
    end: float
    label: str
    probability: float

    def __repr__(self) -> str:
        seconds = f"start={self.start:g}, end={self.end:g}"
        return f"Segment({seconds}, label={self.label!r}, probability={self.probability:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """What ``predict --json`` prints."""
        return asdict(self)


@dataclass(frozen=True)
class WindowProbabilities:
    """The probabilities of the windows of a recording, in the order of time.

    Args:
        starts: In seconds.
        ends: In seconds.
        probabilities: Of each label; a row of NaN where the model abstained.
        middles: The same for the middle of each window alone; None where they were not predicted.
    """

    starts: Float64[np.ndarray, " windows"]
    ends: Float64[np.ndarray, " windows"]
    probabilities: Float32[np.ndarray, "windows labels"]
    middles: Float32[np.ndarray, "windows labels"] | None = None

    @property
    def decided(self) -> Bool[np.ndarray, " windows"]:
        """Which windows have a decision."""
        return _decided(self.probabilities)


def find_segments(
    windows: WindowProbabilities,
    duration_seconds: float,
    labels: Sequence[str],
    *,
    task: Task,
    thresholds: Sequence[float],
    config: PredictConfig,
) -> tuple[Segment, ...]:
    """Labelled segments, by their start; gaps are abstention or, in a multi-label task, no label.

    Segments of one lane never overlap. With ``config.smoothing`` ``viterbi`` each lasts at least
    ``config.min_segment_seconds``, or as long as the recording when that is shorter, to the
    nearest cell. The middles of the windows move boundaries by up to half a window.

    Args:
        windows: At least one.
        duration_seconds: Length of the recording.
        labels: The vocabulary.
        task: What the labels mean.
        thresholds: Of the model, as for `earmark.tasks.task.Task.choose`.
        config: How to smooth.
    """
    edges, decided = cell_edges(windows, duration_seconds), windows.decided
    states = _find_states(windows, duration_seconds, task, thresholds, config)
    segments = []
    for lane in range(states.shape[1]):
        for first, last, state in _runs(states[:, lane]):
            index = lane if task is MULTI_LABEL else state
            if (task is MULTI_LABEL and state == 1) or index == len(labels):
                continue
            # A median may extend over a pause, so a run of states need not contain a decision.
            weights = np.diff(edges[first : last + 1]) * decided[first:last]
            if weights.sum() > 0:
                own = np.nan_to_num(windows.probabilities[first:last, index])
                start, end = (round(float(edges[at]), DECIMALS) for at in (first, last))
                mean = float(own @ weights / weights.sum())
                segments.append(Segment(start, end, labels[index], mean))
    return tuple(sorted(segments, key=lambda one: (one.start, one.end, one.label)))


def _find_states(
    windows: WindowProbabilities,
    duration_seconds: float,
    task: Task,
    thresholds: Sequence[float],
    config: PredictConfig,
) -> States:
    step = _typical_step(windows, duration_seconds)
    num_cells = max(1, round(config.min_segment_seconds / step))
    scores = lane_scores(windows.probabilities, task, thresholds)
    states = smooth(scores, config.smoothing, num_cells)
    if windows.middles is None or not config.moves_boundaries:
        return states
    reach = round((windows.ends[0] - windows.starts[0]) / 2 / step)
    shortest = num_cells if config.smoothing == "viterbi" else 1
    return move_boundaries(
        states, lane_scores(windows.middles, task, thresholds), reach, min_cells=shortest
    )


def cell_edges(
    windows: WindowProbabilities, duration_seconds: float
) -> Float64[np.ndarray, " edges"]:
    """Where cells begin and end, in seconds: one edge more than there are windows."""
    middles = (windows.starts + windows.ends) / 2
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[0.0], between.clip(0.0, duration_seconds), [duration_seconds]])


def lane_scores(
    probabilities: Float32[np.ndarray, "windows labels"], task: Task, thresholds: Sequence[float]
) -> Scores:
    """Log probabilities minus log thresholds; the state of the highest score is chosen.

    Args:
        probabilities: As those of `WindowProbabilities`.
        task: What the labels mean.
        thresholds: Of the model.

    Returns:
        Where labels exclude each other, one lane of as many states as labels, and abstention last.
        Else a lane a label, with the states on and off.

    Source:
        Bourlard and Morgan (1994), Connectionist Speech Recognition, section 7.2: posteriors of a
        network, divided by priors, as scores of a hidden Markov model.
    """
    decided = _decided(probabilities)
    clipped = np.where(decided[:, None], probabilities, 0.0).astype(np.float64)
    clipped = clipped.clip(SMALLEST, 1.0 - SMALLEST)
    limits = np.clip(thresholds, SMALLEST, 1.0 - SMALLEST)
    if task is MULTI_LABEL:
        off = np.log((1.0 - clipped) / (1.0 - limits))
        return np.stack([np.log(clipped / limits), off], axis=2)
    if task is BINARY:
        clipped = clipped / np.array([1.0 - limits[0], limits[0]])
    scores = np.where(decided[:, None], np.log(clipped), ABSTAINED)
    return np.column_stack([scores, np.where(decided, IMPOSSIBLE, 0.0)])[:, None, :]


def smooth(scores: Scores, smoothing: str, num_cells: int) -> States:
    """The state of each lane in each cell.

    Args:
        scores: From `lane_scores`.
        smoothing: ``viterbi``: the best sequence in which each state lasts at least ``num_cells``;
            ``median``: the best by the running median of scores over ``num_cells``; ``none``: the
            best in each cell alone.
        num_cells: As ``smoothing`` uses it.
    """
    if smoothing == "viterbi":
        return viterbi(scores, num_cells)
    if smoothing == "median":
        # An odd number, whose median is one of the values.
        scores = np.apply_along_axis(running_median, 0, scores, num_cells | 1)
    return scores.argmax(axis=2)


def running_median(
    values: Float64[np.ndarray, " cells"], width: int
) -> Float64[np.ndarray, " cells"]:
    """The median of each value and its neighbours; beyond the ends the end values repeat.

    Args:
        values: In order.
        width: How many values each median is of; odd.

    Example:
        >>> running_median(np.array([1.0, 9.0, 2.0, 3.0]), 3)
        array([1., 2., 3., 3.])
    """
    reach = width // 2
    padded = np.pad(values, reach, mode="edge").tolist()
    window = sorted(padded[:width])
    medians = [window[reach]]
    for leaving, entering in zip(padded, padded[width:], strict=False):
        del window[bisect.bisect_left(window, leaving)]
        bisect.insort(window, entering)
        medians.append(window[reach])
    return np.array(medians)


def viterbi(scores: Scores, min_cells: int) -> States:
    """The sequence of states with the highest sum of scores, each lasting a minimum of cells.

    After each cell, *sum* is the running sum of a state's scores. The best path that ends in a
    state, minus *sum*, is that of the cell before or enters from another state that was left
    ``min_cells`` ago; entries that are more recent wait in a queue of that length.

    Args:
        scores: Of each state in each cell.
        min_cells: Shortest run of a state; the whole length when there are fewer cells.

    Source:
        Ajmera, McCowan and Bourlard (2003), Speech/music segmentation using entropy and dynamism
        features in a HMM classification framework, Speech Communication 40(3), section 2.3: a
        minimum duration by as many states in a row. Here without a cost of a change.
    """
    num_cells, num_lanes, num_states = scores.shape
    came_from = np.full(scores.shape, _STAYED, np.int16)
    sums, best = np.zeros((num_lanes, num_states)), np.full((num_lanes, num_states), -np.inf)
    start = np.zeros(sums.shape), np.full(sums.shape, _START, np.int16)
    queue: deque[tuple[np.ndarray, np.ndarray]] = deque([start])
    shortest = min(min_cells, num_cells)
    for cell in range(num_cells):
        sums += scores[cell]
        if len(queue) == shortest:
            entering, origin = queue.popleft()
            enters = entering > best
            best = np.where(enters, entering, best)
            came_from[cell] = np.where(enters, origin, _STAYED)
        totals, origin = _best_other(best + sums)
        queue.append((totals - sums, origin))
    last = (best + sums).argmax(axis=1)
    return np.stack(
        [_trace(came_from[:, lane], int(last[lane]), shortest) for lane in range(num_lanes)], axis=1
    )


_STAYED, _START = -1, -2


def _best_other(
    totals: Float64[np.ndarray, "lanes states"],
) -> tuple[Float64[np.ndarray, "lanes states"], Int[np.ndarray, "lanes states"]]:
    """For each state the best total of the others, and the state that has it."""
    rows = np.arange(len(totals))
    first = totals.argmax(axis=1)
    rest = totals.copy()
    rest[rows, first] = -np.inf
    second = rest.argmax(axis=1)
    origin = np.repeat(first[:, None], totals.shape[1], axis=1)
    origin[rows, first] = second
    value = np.repeat(totals[rows, first][:, None], totals.shape[1], axis=1)
    value[rows, first] = rest[rows, second]
    return value, origin.astype(np.int16)


def _trace(
    came_from: Int[np.ndarray, "cells states"], state: int, shortest: int
) -> Int[np.ndarray, " cells"]:
    """The states of the best path, traced back from its end."""
    states = np.empty(len(came_from), np.int64)
    entries = [np.flatnonzero(column != _STAYED) for column in came_from.T]
    end = len(came_from)
    while end:
        entry = entries[state][np.searchsorted(entries[state], end) - 1]
        start = entry + 1 - shortest
        states[start:end] = state
        state, end = int(came_from[entry, state]), start
    return states


def move_boundaries(states: States, scores: Scores, reach: int, *, min_cells: int) -> States:
    """The same sequence of states, with changes moved to where other scores place them.

    A change is moved, by ``reach`` cells at most, to maximise the sum of the scores of the state
    before it up to there and of the state after it from there on.

    Args:
        states: Of each lane in each cell.
        scores: Of each state in each cell.
        reach: In cells.
        min_cells: No run becomes shorter than this, unless it was.
    """
    moved = states.copy()
    for lane in range(states.shape[1]):
        start = 0
        for (_, at, before), (_, end, after) in itertools.pairwise(_runs(states[:, lane])):
            lowest = min(at, max(at - reach, start + min_cells))
            highest = max(at, min(at + reach, end - min_cells))
            better = scores[lowest:highest, lane, before] - scores[lowest:highest, lane, after]
            cut = lowest + int(np.concatenate([[0.0], better.cumsum()]).argmax())
            moved[at:cut, lane], moved[cut:at, lane] = before, after
            start = cut
    return moved


def _runs(states: Int[np.ndarray, " cells"]) -> Iterator[tuple[int, int, int]]:
    """First cell, end cell (exclusive) and state of each run of equal states."""
    edges = [0, *(np.flatnonzero(np.diff(states)) + 1), len(states)]
    for first, last in itertools.pairwise(edges):
        yield int(first), int(last), int(states[first])


def _decided(probabilities: Float32[np.ndarray, "windows labels"]) -> Bool[np.ndarray, " windows"]:
    return np.logical_and.reduce(np.isfinite(probabilities), axis=1)


def _typical_step(windows: WindowProbabilities, duration_seconds: float) -> float:
    """Seconds from one window to the next; the length of a recording of a single window."""
    steps = np.diff(windows.starts)
    return float(np.median(steps)) if len(steps) else duration_seconds
