"""Recordings that share sound: candidates from an inverted index, verified one by one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from earmark.features.fingerprints import HOP_LENGTH, SAMPLE_RATE, Fingerprint, probes
from earmark.system.shapes import Float, Float32, Int, UInt32

MAX_POSTINGS = 4
"""Recordings looked up for one hash; a hash that many recordings share is not informative."""
MAX_CANDIDATES = 12
"""Recordings that one is compared with: those with the most votes."""
FEW_HASHES = 48
"""With fewer hashes than this, one vote is enough; otherwise two."""
SAME_CORRELATION = 0.55
"""One-bit correlation from which two sounds are the same."""
SHORT_CORRELATION = 0.76
"""The same for less than a second of shared sound, where two takes of a word are similar."""
MIN_SECONDS = 0.1
"""Shortest shared sound, counted where both are loud."""
MAX_FRAMES = 320
"""Most frames that are compared, about 5 s."""
CHUNK_QUERIES = 1 << 18
HOP_SECONDS = HOP_LENGTH / SAMPLE_RATE
MAX_HOPS = 3
"""Largest error of the offset of the votes."""
STEPS = 2 * HOP_LENGTH
"""Lags per hop; each is half a sample."""


@dataclass(frozen=True)
class Match:
    """Two recordings with the same sound.

    Args:
        first: Index of a recording.
        second: Index of another one, larger than `first`.
        offset_seconds: Start of the second in the first.
        correlation: Of the one-bit samples where both are loud, from 0 to 1.
        coverage: Fraction of each recording that the other holds.
    """

    first: int
    second: int
    offset_seconds: float
    correlation: float
    coverage: tuple[float, float]


@runtime_checkable
class Fingerprints(Protocol):
    """A sequence of fingerprints, in memory or not."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int, /) -> Fingerprint:
        """One of them."""
        ...

    def __iter__(self) -> Iterator[Fingerprint]:
        """All of them."""
        ...


class HashIndex:
    """All hashes in sorted order, each with its recording and frame.

    It takes 16 bytes per hash. The postings that are read for one hash are limited, so that the
    time is linear in the number of hashes.

    Args:
        prints: The fingerprints of the recordings; only their hashes are kept.
    """

    def __init__(self, prints: Fingerprints) -> None:
        kept = [(one.hashes, one.frames) for one in prints]
        self._counts = [len(hashes) for hashes, _ in kept]
        hashes = _join([hashes for hashes, _ in kept])
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._owners = np.repeat(np.arange(len(kept), dtype=np.uint32), self._counts)[order]
        self._frames = _join([frames for _, frames in kept])[order]

    def candidates(
        self, prints: Fingerprints, first: int = 0
    ) -> Iterator[tuple[int, int, int, int]]:
        """Pairs that may share sound: two indices, the offset in pairs of hops, and its votes.

        Args:
            prints: What is looked up.
            first: The index of the first of them; only pairs with an earlier recording of the
                index are found.
        """
        chunk: list[Fingerprint] = []
        num_hashes = 0
        for one in prints:
            chunk.append(one)
            num_hashes += len(one.hashes)
            if num_hashes >= CHUNK_QUERIES:
                yield from self._vote(first, chunk)
                first, chunk, num_hashes = first + len(chunk), [], 0
        if chunk:
            yield from self._vote(first, chunk)

    def _vote(
        self, first: int, prints: Sequence[Fingerprint]
    ) -> Iterator[tuple[int, int, int, int]]:
        counts = [len(one.hashes) for one in prints]
        owners = np.repeat(np.arange(first, first + len(prints)), counts)
        frames = _join([one.frames for one in prints]).astype(np.int64)
        weak = _join([one.weak for one in prints])
        found = [
            self._look_up(row, owners, frames)
            for row in probes(_join([one.hashes for one in prints]), weak)
        ]
        votes = np.concatenate(found)
        if not len(votes):
            return
        pairs, counted = np.unique(votes, axis=0, return_counts=True)
        best: dict[tuple[int, int], tuple[int, int]] = {}
        for (one, other, offset), count in zip(pairs.tolist(), counted.tolist(), strict=True):
            if count > best.get((one, other), (0, 0))[1]:
                best[one, other] = offset, count
        for (one, other), (offset, num_votes) in best.items():
            if num_votes > 1 or min(self._counts[one], counts[other - first]) < FEW_HASHES:
                yield one, other, offset, num_votes

    def _look_up(
        self,
        hashes: UInt32[np.ndarray, " queries"],
        owners: Int[np.ndarray, " queries"],
        frames: Int[np.ndarray, " queries"],
    ) -> Int[np.ndarray, "hits 3"]:
        """Postings of earlier recordings: the two indices and the offset in pairs of hops.

        Only of earlier ones, so that a hash that two recordings share is one vote.
        """
        at = np.searchsorted(self._hashes, hashes)
        if not len(self._hashes):
            return np.zeros((0, 3), np.int64)
        hits = []
        for step in range(MAX_POSTINGS):
            place = np.minimum(at + step, len(self._hashes) - 1)
            same = (self._hashes[place] == hashes) & (at + step < len(self._hashes))
            place, mine, frame = place[same], owners[same], frames[same]
            other = self._owners[place].astype(np.int64)
            offset = self._frames[place].astype(np.int64) - frame
            pair = np.stack([other, mine, offset // 2], axis=1)
            hits.append(pair[other < mine])
        return np.concatenate(hits)


def find_matches(prints: Fingerprints) -> list[Match]:
    """All pairs of recordings that share sound.

    Args:
        prints: The fingerprints of the recordings, by index.
    """
    candidates = HashIndex(prints).candidates(prints)
    return _verify(candidates, prints, prints, 0)


def find_matches_between(known: Fingerprints, new: Fingerprints) -> list[Match]:
    """All pairs of a known and a new recording that share sound.

    Args:
        known: Fingerprints; the `Match.first` is an index of these.
        new: Others; the `Match.second` is an index of these.
    """
    candidates = HashIndex(known).candidates(new, len(known))
    return _verify(candidates, known, new, len(known))


def _verify(
    candidates: Iterable[tuple[int, int, int, int]],
    firsts: Fingerprints,
    seconds: Fingerprints,
    first_second: int,
) -> list[Match]:
    """The candidates that share sound; the indices of the seconds begin with a number."""
    near: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for one, other, offset, votes in candidates:
        near[other].append((votes, one, offset))
        near[one].append((votes, other, -offset))
    pairs = {
        (min(mine, one), max(mine, one)): offset if one < mine else -offset
        for mine, ranked in near.items()
        for _, one, offset in sorted(ranked, reverse=True)[:MAX_CANDIDATES]
    }
    found = (
        _compare(
            (one, other - first_second), (firsts[one], seconds[other - first_second]), 2 * offset
        )
        for (one, other), offset in sorted(pairs.items())
    )
    return [match for match in found if match]


def _compare(
    pair: tuple[int, int], prints: tuple[Fingerprint, Fingerprint], offset: int
) -> Match | None:
    """Verifies a pair: correlates the signs of the samples around an offset, in hops."""
    first, second = prints
    start, stop = max(0, offset), min(first.num_frames, offset + second.num_frames)
    middle = (start + stop) // 2
    low, high = max(start, middle - MAX_FRAMES // 2), min(stop, middle + MAX_FRAMES // 2)
    if high <= low:
        return None
    one, other = first.wave(low, high), second.wave(low - offset, high - offset)
    products, both = _correlate(one, other), _count_both_loud(one, other)
    correlations = np.abs(products) / np.maximum(both, MIN_SECONDS * SAMPLE_RATE)
    best = int(np.argmax(correlations))
    threshold = SHORT_CORRELATION if both[best] < SAMPLE_RATE else SAME_CORRELATION
    if correlations[best] < threshold:
        return None
    seconds = (offset + best / STEPS - MAX_HOPS) * HOP_SECONDS
    coverage = first.loud_fraction(start, stop), second.loud_fraction(start - offset, stop - offset)
    return Match(*pair, seconds, float(correlations[best]), coverage)


def _correlate(
    one: Float32[np.ndarray, " first"], other: Float32[np.ndarray, " second"]
) -> Float32[np.ndarray, " lags"]:
    """Correlations at lags of up to `MAX_HOPS` either way, at half samples by interpolation."""
    size = next_fast_len(len(one) + len(other) + MAX_HOPS * STEPS, real=True)
    products = 2 * irfft(rfft(one, size) * np.conj(rfft(other, size)), 2 * size)
    most = MAX_HOPS * STEPS
    return np.concatenate([products[-most:], products[: most + 1]])


def _count_both_loud(
    one: Float32[np.ndarray, " first"], other: Float32[np.ndarray, " second"]
) -> Float[np.ndarray, " lags"]:
    """Number of samples at each lag that are loud in both.

    Whole frames are loud or not, so the count is linear between lags of whole frames.
    """
    first, second = np.abs(one[::HOP_LENGTH]), np.abs(other[::HOP_LENGTH])
    padded = np.pad(first, (MAX_HOPS, MAX_HOPS + max(0, len(second) - len(first))))
    hops = np.arange(2 * MAX_HOPS + 1)
    counts = [padded[hop : hop + len(second)] @ second for hop in hops]
    return HOP_LENGTH * np.interp(np.arange(2 * MAX_HOPS * STEPS + 1) / STEPS, hops, counts)


def _join(columns: Sequence[np.ndarray]) -> UInt32[np.ndarray, " all"]:
    return np.concatenate([*columns, np.zeros(0, np.uint32)])
