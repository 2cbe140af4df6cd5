"""Which windows to label next: a ranking by what the model does not know, and a varied choice."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError
from earmark.labelling.candidates import Candidates
from earmark.labelling.units import unit_vectors
from earmark.system.numbers import counted
from earmark.system.shapes import Float32, Float64, Int64

logger = logging.getLogger(__name__)

Strategy = Literal["margin", "novelty", "diverse", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
NEAR_DUPLICATE = 0.97
"""Cosine, from the mean of all windows, from which two are near-duplicates."""
MAX_CLUSTERED, MAX_CLUSTERS = 50_000, 1000
"""Windows to which clusters are fitted, evenly spaced ones of more; and clusters."""
AT_ONCE = 256


class Ranking(NamedTuple):
    """Windows in the order in which they should be labelled, the first first.

    Args:
        order: Their numbers.
        scores: Of each window, the higher the earlier.
        reasons: Says why a window is suggested, for people.
    """

    order: Int64[np.ndarray, " windows"]
    scores: Float64[np.ndarray, " windows"]
    reasons: Callable[[int], str]


@dataclass(frozen=True)
class Suggestion:
    """A window to label.

    Args:
        path: The recording.
        start: Where the window starts, in seconds.
        end: Where it ends.
        predicted: The labels that the model predicts, joined by semicolons; empty if none.
        probability: Of the first of them.
        score: Why it is suggested, as a number; the higher the earlier.
        reason: The same, for people.
    """

    path: Path
    start: float
    end: float
    predicted: str
    probability: float
    score: float
    reason: str


def suggest(
    candidates: Candidates,
    count: int,
    by: Strategy = "margin",
    *,
    labelled: Mapping[Path, list[tuple[float, float]]] | None = None,
    seed: int = 0,
) -> list[Suggestion]:
    """Chooses windows to label next, each unlike the others and from as many recordings as may be.

    ``margin`` takes those closest to a decision boundary, ``novelty`` those most unlike training,
    ``diverse`` the middles of clusters of similar windows, ``random`` any. Windows that overlap
    with another one or with labelled sound are left out, and so are near-duplicates of these.

    Args:
        candidates: The windows.
        count: How many.
        by: The strategy.
        labelled: What has a label already: recording to its parts, each start and end in seconds.
        seed: Of ``random`` and ``diverse``; the same one gives the same windows.

    Returns:
        The windows, the most useful first; fewer than ``count`` if there are no others.

    Raises:
        ConfigError: The strategy is unknown, or the model has no score of novelty.

    Source:
        Scheffer et al. (2001), Active hidden Markov models for information extraction, IDA, for the
        margin; Hacohen et al. (2022), Active learning on a budget, ICML, arXiv:2202.02794, for the
        middles of clusters without a labelled member.
    """
    if by not in STRATEGIES:
        raise ConfigError(f"--by {by}: unknown; choose one of {', '.join(STRATEGIES)}")
    done = _labelled_windows(candidates, labelled or {})
    free = np.flatnonzero(~done)
    if not len(free):
        return []
    rng = np.random.default_rng(seed)
    units = _centred(candidates.vectors)
    if by == "diverse":
        ranking = _by_cluster(units, done, count, seed)
    else:
        ranking = _ranking(candidates, free, by, rng)
    chosen = _spread(candidates, units, ranking.order, count, np.flatnonzero(done))
    if len(chosen) < count:
        logger.info(
            f"{counted(len(chosen), 'window')} instead of {count}: the others overlap with these "
            "or with labelled sound, or are near-duplicates"
        )
    return [_suggestion(candidates, window, ranking) for window in chosen]


def labelled_parts(data: Path) -> dict[Path, list[tuple[float, float]]]:
    """The parts of recordings that a manifest has labels for, for `suggest`.

    Args:
        data: As for `earmark.read_manifest`.

    Raises:
        DataError: It cannot be read.
    """
    parts: dict[Path, list[tuple[float, float]]] = {}
    for one in read_manifest(data).recordings:
        end = math.inf if one.excerpt.end is None else one.excerpt.end
        parts.setdefault(one.path, []).append((one.excerpt.start, end))
    return parts


def _suggestion(candidates: Candidates, window: int, ranking: Ranking) -> Suggestion:
    predicted, probability = candidates.predicted(window)
    return Suggestion(
        candidates.paths[candidates.files[window]],
        float(candidates.starts[window]),
        float(candidates.ends[window]),
        predicted,
        probability,
        float(ranking.scores[window]),
        ranking.reasons(window),
    )


def _ranking(
    candidates: Candidates, free: Int64[np.ndarray, " _"], by: Strategy, rng: np.random.Generator
) -> Ranking:
    """Every strategy but ``diverse``; equal windows come in their own order."""
    if by == "margin":
        margins = candidates.margins()
        scores, shown, reason = 1.0 - margins, margins, "margin {:.3f}"
    elif by == "novelty":
        scores = candidates.novelty.astype(np.float64)
        if np.isnan(scores).any():
            raise ConfigError(
                "--by novelty: the model has no score of novelty; train it again, or rank by margin"
            )
        shown, reason = scores, "novelty {:.2f}"
    else:
        scores = rng.permutation(len(candidates)) / len(candidates)
        shown, reason = scores, "random"
    order = free[np.argsort(-scores[free], kind="stable")]
    return Ranking(order, scores, lambda window: reason.format(shown[window]))


def _by_cluster(
    units: Float32[np.ndarray, "windows dimensions"], done: np.ndarray, count: int, seed: int
) -> Ranking:
    """Windows closest to the middle of their cluster, of each cluster in turn.

    There are as many clusters as windows that are labelled or wanted. Those with the fewest
    labelled windows come first, and of these the largest.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    step = math.ceil(len(units) / MAX_CLUSTERED)
    fitted = units[::step]
    num_clusters = min(len(fitted), count + int(done.sum()), MAX_CLUSTERS)
    # One thread: with several, sums in another order give other clusters.
    with threadpool_limits(1):
        clusters = KMeans(num_clusters, n_init=1, random_state=seed).fit(fitted)
        found = []
        for first in range(0, len(units), AT_ONCE):
            distances = clusters.transform(units[first : first + AT_ONCE])
            found.append((distances.argmin(axis=1), distances.min(axis=1)))
    members, nearest = map(np.concatenate, zip(*found, strict=True))
    sizes = np.bincount(members, minlength=num_clusters)
    labelled = np.bincount(members[done], minlength=num_clusters)
    free = np.flatnonzero(~done)
    # The place of each window among those of its cluster, by distance.
    by_distance = free[np.argsort(nearest[free], kind="stable")]
    place = np.zeros(len(units), np.int64)
    seen: Counter[int] = Counter()
    for window in by_distance.tolist():
        place[window] = seen[members[window]]
        seen[members[window]] += 1
    turn = place + labelled[members]
    order = free[np.lexsort((nearest[free], -sizes[members[free]], turn[free]))]
    scores = sizes[members] / np.maximum(1.0, 1.0 + turn)
    return Ranking(
        order,
        scores.astype(np.float64),
        lambda window: f"like {counted(int(sizes[members[window]]) - 1, 'other window')}",
    )


def _spread(
    candidates: Candidates,
    units: Float32[np.ndarray, "windows dimensions"],
    order: Int64[np.ndarray, " ranked"],
    count: int,
    labelled: Int64[np.ndarray, " _"],
) -> list[int]:
    """The first windows of an order that are unlike each other, from as many recordings as may be.

    A recording may give one more window only when no other recording has one left that fits.
    """
    limit = 1
    chosen: list[int] = []
    per_file: Counter[int] = Counter()
    refused = np.zeros(len(candidates), bool)
    for first in range(0, len(labelled), AT_ONCE):
        similarities = units @ units[labelled[first : first + AT_ONCE]].T
        refused |= similarities.max(axis=1) >= NEAR_DUPLICATE
    remaining: list[int] = order.tolist()
    while remaining and len(chosen) < count:
        waiting = []
        for window in remaining:
            if refused[window]:
                continue
            file = int(candidates.files[window])
            if per_file[file] >= limit:
                waiting.append(window)
                continue
            chosen.append(window)
            per_file[file] += 1
            refused |= units @ units[window] >= NEAR_DUPLICATE
            refused |= _overlapping(candidates, window)
            if len(chosen) == count:
                break
        remaining, limit = waiting, limit + 1
    return chosen


def _overlapping(candidates: Candidates, window: int) -> np.ndarray:
    starts, ends = candidates.starts, candidates.ends
    is_same_file = candidates.files == candidates.files[window]
    overlap = (starts < ends[window]) & (ends > starts[window])
    overlap[window] = True
    return is_same_file & overlap


def _labelled_windows(
    candidates: Candidates, labelled: Mapping[Path, list[tuple[float, float]]]
) -> np.ndarray:
    """Which windows overlap with labelled sound."""
    done = np.zeros(len(candidates), bool)
    places = {path.resolve(): number for number, path in enumerate(candidates.paths)}
    for path, parts in labelled.items():
        number = places.get(path.resolve())
        if number is None:
            continue
        for start, end in parts:
            inside = (candidates.starts < end) & (candidates.ends > start)
            done |= (candidates.files == number) & inside
    return done


def _centred(
    vectors: Float32[np.ndarray, "windows dimensions"],
) -> Float32[np.ndarray, "windows dimensions"]:
    """Directions from the mean of all windows: what they share says nothing of their likeness."""
    return unit_vectors(vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32))
