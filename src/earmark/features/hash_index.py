"""An inverted index of the hashes of fingerprints: which recordings may share sound."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from earmark.features.fingerprints import (
    NUM_FLIPS,
    NUM_LATER_FLIPS,
    SHORT_BITS,
    SHORT_HASH,
    Fingerprint,
    Hashes,
    probes,
)
from earmark.system.shapes import Int64, UInt32, UInt64

MAX_POSTINGS = 4
"""Recordings looked up for one hash; a hash that many recordings share is not informative."""
MAX_PAIRS = 24
"""Recordings with which one is paired: those with the most votes."""
FEW_HASHES = 48
"""With fewer hashes than this, one vote is enough; otherwise two."""
LONG_FROM = 1 << 21
"""Hashes in an index from which all of their bits count: so many share the short ones by chance."""
CHUNK_PRINTS, CHUNK_HASHES = 1 << 12, 1 << 15


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


class Candidate(NamedTuple):
    """Two recordings that may share sound.

    Args:
        first: Index of a recording.
        second: Index of a later one.
        offset: Start of the second in the first, in pairs of hops.
        votes: Hashes that agree on that.
    """

    first: int
    second: int
    offset: int
    votes: int


class HashIndex:
    """All hashes in sorted order, each with its recording and frame.

    It takes 14 bytes per hash, 18 where they are long. The postings that are read for one hash are
    limited, and hashes are longer where there are many, so that the time is nearly linear in their
    number.

    Args:
        prints: The fingerprints of the recordings; only their hashes are kept.

    Source:
        Gionis, Indyk and Motwani (1999), Similarity search in high dimensions via hashing, for keys
        that grow with the collection; Lv and others (2007), Multi-probe LSH, for looking up
        uncertain bits both ways; Bloom (1970) for the filter.
    """

    def __init__(self, prints: Fingerprints) -> None:
        chunks = [_Columns.of(chunk) for chunk in _chunks(prints)]
        self._counts = np.concatenate([*(one.counts for one in chunks), np.zeros(0, np.int64)])
        hashes = _join([one.hashes for one in chunks])
        frames = _join([one.frames for one in chunks])
        del chunks
        is_long = len(hashes) >= LONG_FROM
        if not is_long:
            hashes &= SHORT_HASH
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._frames = hashes[order], frames[order]
        del hashes, frames
        owners = np.repeat(np.arange(len(self._counts), dtype=np.uint32), self._counts)
        self._owners = owners[order]
        self._filter = _Filter(self._hashes)
        self._blocks = _Blocks(self._hashes) if is_long else None

    def candidates(self, prints: Fingerprints, first: int = 0) -> Iterator[Candidate]:
        """Pairs that may share sound.

        Args:
            prints: What is looked up.
            first: The index of the first of them; only pairs with an earlier recording of the
                index are found.
        """
        for chunk in _chunks(prints):
            if len(self._hashes):
                yield from self._vote(first, _Columns.of(chunk))
            first += len(chunk)

    def _vote(self, first: int, looked_up: "_Columns") -> Iterator[Candidate]:
        seconds = np.repeat(np.arange(len(looked_up.counts)), looked_up.counts)
        frames = looked_up.frames.astype(np.int64)
        votes = _Votes(len(self._counts))
        for query, place in self._look_up(looked_up.hashes, looked_up.weak):
            # Only earlier recordings, so that a hash that two of them share is one vote.
            owners = self._owners[place].astype(np.int64)
            earlier = owners < first + seconds[query]
            query, place = query[earlier], place[earlier]
            offsets = (self._frames[place].astype(np.int64) - frames[query]) // 2
            votes.add(seconds[query], owners[earlier], offsets)
        second, one, offset, count = votes.count()
        num_hashes = np.minimum(self._counts[one], looked_up.counts[second])
        enough = (count > 1) | (num_hashes < FEW_HASHES)
        best = _best(second[enough], one[enough], count[enough])
        columns = (one[enough][best], first + second[enough][best], offset[enough][best])
        found = (column.tolist() for column in (*columns, count[enough][best]))
        yield from map(Candidate, *found)

    def _look_up(
        self, hashes: Hashes, weak: Hashes
    ) -> Iterator[tuple[Int64[np.ndarray, " hits"], Int64[np.ndarray, " hits"]]]:
        """Postings of hashes: which hash, and the place of the posting in the index."""
        rows = probes(hashes & SHORT_HASH, weak & SHORT_HASH, NUM_FLIPS)
        if self._blocks is None:
            maybe = [_Wanted.of(row) for row in rows]
        else:
            later = list(probes(hashes & ~SHORT_HASH, weak & ~SHORT_HASH, NUM_LATER_FLIPS))
            places = _join_bits(later)
            maybe = (one for row in rows for one in self._blocks.may_hold(row, later, places))
        packed = np.concatenate([self._filter.may_hold(one).pack() for one in maybe])
        # In their order, the search for one goes through memory that the last one has read.
        packed.sort()
        query, wanted = (packed & _LOW).astype(np.int64), (packed >> _HALF).astype(np.uint32)
        place = np.searchsorted(self._hashes, wanted)
        for _ in range(MAX_POSTINGS):
            inside = np.flatnonzero(place < len(self._hashes))
            same = inside[self._hashes[place[inside]] == wanted[inside]]
            query, wanted, place = query[same], wanted[same], place[same]
            yield query, place
            place = place + 1


class _Columns(NamedTuple):
    """The hashes of some recordings, one after another."""

    counts: Int64[np.ndarray, " recordings"]
    hashes: Hashes
    frames: UInt32[np.ndarray, " hashes"]
    weak: Hashes

    @classmethod
    def of(cls, prints: Sequence[Fingerprint]) -> "_Columns":
        counts = np.array([len(one.hashes) for one in prints], np.int64)
        columns = ("hashes", "frames", "weak")
        return cls(
            counts, *(np.concatenate([getattr(one, name) for one in prints]) for name in columns)
        )


class _Votes:
    """Votes for the second, the first and their offset, each kept as one number.

    Args:
        num_firsts: How many recordings can be the first.
    """

    def __init__(self, num_firsts: int) -> None:
        self._first_bits = num_firsts.bit_length()
        self._offset_bits = 63 - CHUNK_PRINTS.bit_length() - self._first_bits
        self._packed: list[Int64[np.ndarray, " votes"]] = []

    def add(
        self,
        second: Int64[np.ndarray, " votes"],
        first: Int64[np.ndarray, " votes"],
        offset: Int64[np.ndarray, " votes"],
    ) -> None:
        """Adds votes; an offset may be negative."""
        half = 1 << (self._offset_bits - 1)
        assert not len(offset) or np.abs(offset).max() < half, "longer than 100 years"
        pair = (second << self._first_bits) | first
        self._packed.append((pair << self._offset_bits) | (offset + half))

    def count(self) -> tuple[Int64[np.ndarray, " different"], ...]:
        """The second, first and offset of different votes, in order, and how many are equal."""
        packed = np.concatenate(self._packed)
        packed.sort()
        starts = np.flatnonzero(np.diff(packed, prepend=-1))
        counts = np.diff(starts, append=len(packed))
        different = packed[starts]
        offset = (different & ((1 << self._offset_bits) - 1)) - (1 << (self._offset_bits - 1))
        pair = different >> self._offset_bits
        return pair >> self._first_bits, pair & ((1 << self._first_bits) - 1), offset, counts


class _Filter:
    """A Bloom filter, which fits where the hashes do not: most that are looked up are not there.

    Args:
        hashes: What it holds.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._shift = np.uint32(32 - min(32, max(3, (8 * len(hashes) - 1).bit_length())))
        self._bits = np.zeros(1 << (29 - int(self._shift)), np.uint8)
        for first in range(0, len(hashes), CHUNK_HASHES):
            for factor in _FACTORS:
                place = (hashes[first : first + CHUNK_HASHES] * factor) >> self._shift
                np.bitwise_or.at(self._bits, place >> 3, _BIT[place & 7])

    def may_hold(self, wanted: "_Wanted") -> "_Wanted":
        """Those that may be held; no others are."""
        for factor in _FACTORS:
            place = (wanted.hashes * factor) >> self._shift
            bits = self._bits[place >> 3] >> (place & 7).astype(np.uint8)
            wanted = wanted.take(np.flatnonzero(bits & 1))
        return wanted


class _Blocks:
    """A filter with the later bits of equal short hashes in one word, which are looked up at once.

    Args:
        hashes: What it holds.

    Source:
        Putze, Sanders and Singler (2007), Cache-, hash- and space-efficient Bloom filters.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._shift = np.uint32(32 - max(1, (len(hashes) // 4).bit_length()))
        self._words = np.zeros(1 << (32 - int(self._shift)), np.uint64)
        for first in range(0, len(hashes), CHUNK_HASHES):
            chunk = hashes[first : first + CHUNK_HASHES]
            np.bitwise_or.at(self._words, self._word(chunk & SHORT_HASH), _bit(chunk))

    def may_hold(
        self, short: Hashes, later: Sequence[Hashes], places: UInt64[np.ndarray, " hashes"]
    ) -> Iterator["_Wanted"]:
        """Those that may be held, for each way to set the later bits.

        Args:
            short: Short hashes.
            later: The later bits of each hash, set in several ways.
            places: `_join_bits` of these.
        """
        words = self._words[self._word(short)]
        found = np.flatnonzero(words & places)
        words, short = words[found], short[found]
        for one in later:
            bits = one[found]
            held = np.flatnonzero(words & _bit(bits))
            yield _Wanted(short[held] | bits[held], found[held])

    def _word(self, short: Hashes) -> UInt32[np.ndarray, " hashes"]:
        return (short * _FACTORS[0]) >> self._shift


class _Wanted(NamedTuple):
    """Hashes that are looked up, and the positions of those that they vary."""

    hashes: Hashes
    queries: Int64[np.ndarray, " hashes"]

    @classmethod
    def of(cls, hashes: Hashes) -> "_Wanted":
        return cls(hashes, np.arange(len(hashes)))

    def take(self, chosen: Int64[np.ndarray, " chosen"]) -> "_Wanted":
        return _Wanted(self.hashes[chosen], self.queries[chosen])

    def pack(self) -> np.ndarray:
        """Each hash above its position in the lower half of a number."""
        return (self.hashes.astype(np.uint64) << _HALF) | self.queries.astype(np.uint64)


def _bit(hashes: Hashes) -> UInt64[np.ndarray, " hashes"]:
    """The place of the later bits in a word; of eight, two make no difference."""
    return _BITS[(hashes >> np.uint32(SHORT_BITS)) & np.uint32(63)]


def _join_bits(later: Sequence[Hashes]) -> UInt64[np.ndarray, " hashes"]:
    """The places of the later bits in a word, however they are set."""
    places = _bit(later[0])
    for one in later[1:]:
        places = places | _bit(one)
    return places


_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_FACTORS = np.uint32(2654435761), np.uint32(2246822519)
"""Odd numbers near the golden ratio of their range and another one, for multiplicative hashing."""
_BIT = (1 << np.arange(8)).astype(np.uint8)
_BITS = np.uint64(1) << np.arange(64, dtype=np.uint64)


def _best(
    second: Int64[np.ndarray, " votes"],
    first: Int64[np.ndarray, " votes"],
    count: Int64[np.ndarray, " votes"],
) -> Int64[np.ndarray, " best"]:
    """Positions of the best offset of each pair, and of the best `MAX_PAIRS` pairs of a second."""
    order = np.lexsort((-count, first, second))
    is_new = (np.diff(second[order], prepend=-1) != 0) | (np.diff(first[order], prepend=-1) != 0)
    order = order[is_new]
    order = order[np.lexsort((-count[order], second[order]))]
    starts = np.flatnonzero(np.diff(second[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return np.sort(order[rank < MAX_PAIRS])


def _chunks(prints: Iterable[Fingerprint]) -> Iterator[list[Fingerprint]]:
    chunk: list[Fingerprint] = []
    num_hashes = 0
    for one in prints:
        chunk.append(one)
        num_hashes += len(one.hashes)
        if num_hashes >= CHUNK_HASHES or len(chunk) == CHUNK_PRINTS:
            yield chunk
            chunk, num_hashes = [], 0
    if chunk:
        yield chunk


def _join(columns: Sequence[np.ndarray]) -> UInt32[np.ndarray, " all"]:
    return np.concatenate([*columns, np.zeros(0, np.uint32)]).astype(np.uint32, copy=False)
