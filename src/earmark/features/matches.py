"""Recordings that share sound: candidates from an inverted index, verified one by one."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from earmark.features.fingerprints import (
    HOP_LENGTH,
    SAMPLE_RATE,
    SHORT_BITS,
    SHORT_HASH,
    Fingerprint,
)
from earmark.features.hash_index import Candidate, Fingerprints, HashIndex
from earmark.system.shapes import Float, Float32

MAX_CANDIDATES = 12
"""Recordings that one is compared with: those with the most votes."""
MAX_BIT_ERRORS = 0.3
"""Fraction of different bits in hashes at the same instants up to which two sounds are compared. Of
the copies of clips of ESC-10 and of digits that were found, the worst had 0.26."""
SAME_CORRELATION = 0.55
"""One-bit correlation from which two sounds are the same."""
SHORT_CORRELATION = 0.76
"""The same for less than a second of shared sound, where two takes of a word are similar."""
MIN_SECONDS = 0.1
"""Shortest shared sound, counted where both are loud."""
MAX_FRAMES = 320
"""Most frames that are compared, about 5 s."""
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
    candidates: Iterable[Candidate],
    firsts: Fingerprints,
    seconds: Fingerprints,
    first_second: int,
) -> list[Match]:
    """The candidates that share sound; the indices of the seconds begin with a number."""
    near: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for one, other, offset, votes in candidates:
        if _resemble(firsts[one], seconds[other - first_second], 2 * offset):
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


def _resemble(
    first: Fingerprint, second: Fingerprint, offset: int, threshold: float = MAX_BIT_ERRORS
) -> bool:
    """Whether hashes at the same instants have similar bits, which takes much less than proof.

    Args:
        first: Any fingerprint.
        second: Another one.
        offset: Start of the second in the first, in hops; the votes leave two values open, and a
            hash may be a frame early or late.
        threshold: Fraction of different bits.
    """
    if not len(first.frames):
        return False
    frames = second.frames.astype(np.int64) + np.arange(offset - 1, offset + 3)[:, None]
    at = np.minimum(np.searchsorted(first.frames, frames), len(first.frames) - 1)
    same = first.frames[at] == frames
    errors = np.bitwise_count((first.hashes[at] ^ second.hashes) & SHORT_HASH)
    compared = np.count_nonzero(same, axis=1)
    return bool(np.any(np.sum(errors * same, axis=1) < threshold * SHORT_BITS * compared))


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
