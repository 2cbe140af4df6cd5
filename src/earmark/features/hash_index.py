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
    """All hashes in order, each with its recording and frame.

    It takes 16 to 20 bytes per hash, and 2 to 4 more while long ones are looked up. The postings
    that are kept of one hash are limited, and hashes are longer where there are many.

    Args:
        prints: The fingerprints of the recordings; only their hashes are kept.

    Source:
        Gionis, Indyk and Motwani (1999), Similarity search in high dimensions via hashing, for keys
        that grow with the collection; Lv and others (2007), Multi-probe LSH, for looking up
        uncertain bits both ways.
    """

    def __init__(self, prints: Fingerprints) -> None:
        self._packing = _Packing(len(prints))
        counts, hashes, postings = self._read(prints)
        self._counts = counts
        self._is_long = len(hashes) >= LONG_FROM
        if not self._is_long:
            hashes &= SHORT_HASH
        hashes *= _FACTOR
        # Each key above its position, so that postings of one key are in the order of recordings.
        order = hashes.astype(np.uint64)
        del hashes
        order <<= _HALF
        order |= np.arange(len(order), dtype=np.uint64)
        order.sort()
        self._keys = (order >> _HALF).astype(np.uint32)
        order &= _LOW
        self._postings = postings[order.view(np.int64)]
        del postings, order
        is_kept = np.ones(len(self._keys), bool)
        is_kept[MAX_POSTINGS:] = self._keys[MAX_POSTINGS:] != self._keys[:-MAX_POSTINGS]
        self._keys, self._postings = self._keys[is_kept], self._postings[is_kept]
        self._starts, self._shift = _directory(self._keys)

    def _read(
        self, prints: Fingerprints
    ) -> tuple[
        Int64[np.ndarray, " recordings"],
        UInt32[np.ndarray, " hashes"],
        Int64[np.ndarray, " hashes"],
    ]:
        """How many hashes the recordings have; the hashes; and their postings."""
        counts, hashes, postings, first = [], [], [], 0
        for chunk in _chunks(prints):
            one = _Columns.of(chunk)
            counts.append(one.counts)
            hashes.append(one.hashes)
            owners = np.repeat(np.arange(first, first + len(chunk)), one.counts)
            postings.append(self._packing.postings(owners, one.frames))
            first += len(chunk)
        return _join(counts, np.int64), _join(hashes, np.uint32), _join(postings, np.int64)

    def candidates(self, prints: Fingerprints, first: int = 0) -> Iterator[Candidate]:
        """Pairs that may share sound.

        Args:
            prints: What is looked up: the recordings of the index from `first` on, or others.
            first: The index of the first of them; only pairs with an earlier recording of the
                index are found.
        """
        blocks = _Blocks(len(self._keys)) if self._is_long else None
        if blocks and first:
            blocks.add(self._keys * _INVERSE)
        for chunk in _chunks(prints):
            looked_up = _Columns.of(chunk)
            if blocks:
                # Only what earlier recordings hold: half of the hashes, in the mean.
                blocks.add(looked_up.hashes)
            if len(self._keys):
                yield from self._vote(first, looked_up, blocks)
            first += len(chunk)

    def _vote(
        self, first: int, looked_up: "_Columns", blocks: "_Blocks | None"
    ) -> Iterator[Candidate]:
        seconds = np.repeat(np.arange(len(looked_up.counts)), looked_up.counts)
        limits = self._packing.first_posting(first + seconds)
        addends = self._packing.addends(seconds, looked_up.frames)
        votes = []
        for query, place in self._look_up(looked_up, blocks):
            # Only earlier recordings, so that a hash that two of them share is one vote.
            postings = self._postings[place]
            earlier = np.flatnonzero(postings < limits[query])
            votes.append((postings[earlier] + addends[query[earlier]]) >> 1)
        second, one, offset, count = self._packing.count(votes)
        num_hashes = np.minimum(self._counts[one], looked_up.counts[second])
        enough = (count > 1) | (num_hashes < FEW_HASHES)
        best = _best(second[enough], one[enough], count[enough])
        columns = (one[enough][best], first + second[enough][best], offset[enough][best])
        found = (column.tolist() for column in (*columns, count[enough][best]))
        yield from map(Candidate, *found)

    def _look_up(
        self, looked_up: "_Columns", blocks: "_Blocks | None"
    ) -> Iterator[tuple[Int64[np.ndarray, " hits"], Int64[np.ndarray, " hits"]]]:
        """Postings of hashes: which hash, and the place of the posting in the index."""
        rows = probes(looked_up.hashes & SHORT_HASH, looked_up.weak & SHORT_HASH, NUM_FLIPS)
        if blocks is None:
            every = np.arange(len(looked_up.hashes))
            wanted = [(row, every) for row in rows]
        else:
            later = _Later.of(looked_up.hashes & ~SHORT_HASH, looked_up.weak & ~SHORT_HASH)
            wanted = [one for row in rows for one in blocks.may_hold(row, later)]
        hashes, queries = (np.concatenate(column) for column in zip(*wanted, strict=True))
        keys = hashes * _FACTOR
        bucket = keys >> self._shift
        place, stop = self._starts[bucket], self._starts[bucket + 1]
        while len(place):
            left = np.flatnonzero(place < stop)
            place, stop, keys, queries = place[left], stop[left], keys[left], queries[left]
            same = np.flatnonzero(self._keys[place] == keys)
            yield queries[same], place[same]
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


class _Packing:
    """Postings and votes as single numbers.

    A posting is the first recording above the frame. A vote is the second one above the first one
    above the offset in pairs of hops: twice that is a posting plus a number of the second.

    Args:
        num_firsts: How many recordings can be the first.
    """

    def __init__(self, num_firsts: int) -> None:
        self._first_bits = num_firsts.bit_length()
        self._frame_bits = 63 - CHUNK_PRINTS.bit_length() - self._first_bits
        self._half = 1 << (self._frame_bits - 1)

    def postings(
        self, first: Int64[np.ndarray, " hashes"], frames: UInt32[np.ndarray, " hashes"]
    ) -> Int64[np.ndarray, " hashes"]:
        """The postings of recordings and frames."""
        assert not len(frames) or frames.max() < self._half, "longer than three months"
        return self.first_posting(first) | frames

    def first_posting(self, first: Int64[np.ndarray, " any"]) -> Int64[np.ndarray, " any"]:
        """What no posting of a recording is below."""
        return first << self._frame_bits

    def addends(
        self, second: Int64[np.ndarray, " hashes"], frames: UInt32[np.ndarray, " hashes"]
    ) -> Int64[np.ndarray, " hashes"]:
        """What makes a posting twice a vote."""
        return (second << (self._first_bits + self._frame_bits)) + self._half - frames

    def count(self, votes: Sequence[np.ndarray]) -> tuple[Int64[np.ndarray, " different"], ...]:
        """The second, first and offset of different votes, in order, and how many are equal."""
        packed = np.concatenate([*votes, np.zeros(0, np.int64)])
        packed.sort()
        starts = np.flatnonzero(np.diff(packed, prepend=-1))
        counts = np.diff(starts, append=len(packed))
        different = packed[starts]
        offset = (different & (self._half - 1)) - self._half // 2
        pair = different >> (self._frame_bits - 1)
        return pair >> self._first_bits, pair & ((1 << self._first_bits) - 1), offset, counts


class _Blocks:
    """A filter with the later bits of equal short hashes in one word, which are looked up at once.

    Most hashes that are looked up are not there.

    Args:
        num_hashes: How many it is to hold.

    Source:
        Putze, Sanders and Singler (2007), Cache-, hash- and space-efficient Bloom filters.
    """

    def __init__(self, num_hashes: int) -> None:
        self._shift = np.uint32(32 - max(1, (num_hashes // 4).bit_length()))
        self._words = np.zeros(1 << (32 - int(self._shift)), np.uint64)

    def add(self, hashes: Hashes) -> None:
        """Holds some more hashes."""
        for first in range(0, len(hashes), CHUNK_HASHES):
            chunk = hashes[first : first + CHUNK_HASHES]
            np.bitwise_or.at(self._words, self._word(chunk & SHORT_HASH), _bit(chunk))

    def may_hold(
        self, short: Hashes, later: "_Later"
    ) -> Iterator[tuple[Hashes, Int64[np.ndarray, " hashes"]]]:
        """Those that may be held, and their positions, for each way to set the later bits."""
        words = self._words[self._word(short)] & later.places
        found = np.flatnonzero(words)
        words, short = words[found], short[found]
        for hashes, bits in zip(later.hashes, later.bits, strict=True):
            held = np.flatnonzero(words & bits[found])
            positions = found[held]
            yield short[held] | hashes[positions], positions

    def _word(self, short: Hashes) -> UInt32[np.ndarray, " hashes"]:
        return (short * _FACTOR) >> self._shift


class _Later(NamedTuple):
    """The later bits of hashes, set in all ways, and the places of each and of all in a word."""

    hashes: list[Hashes]
    bits: list[UInt64[np.ndarray, " hashes"]]
    places: UInt64[np.ndarray, " hashes"]

    @classmethod
    def of(cls, hashes: Hashes, weak: Hashes) -> "_Later":
        rows = list(probes(hashes, weak, NUM_LATER_FLIPS))
        bits = [_bit(row) for row in rows]
        return cls(rows, bits, np.bitwise_or.reduce(bits))


def _bit(hashes: Hashes) -> UInt64[np.ndarray, " hashes"]:
    """The place of the later bits in a word; of eight, two make no difference."""
    return _BITS[(hashes >> np.uint32(SHORT_BITS)) & np.uint32(63)]


_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_FACTOR, _INVERSE = np.uint32(2654435761), np.uint32(pow(2654435761, -1, 1 << 32))
"""An odd number near the golden ratio of its range, for multiplicative hashing, and its inverse."""
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


def _directory(
    keys: UInt32[np.ndarray, " hashes"],
) -> tuple[UInt32[np.ndarray, " starts"], np.uint32]:
    """Where the keys with the same first bits start, and how many other bits there are."""
    num_bits = max(1, len(keys).bit_length())
    shift = np.uint32(32 - num_bits)
    starts = np.full((1 << num_bits) + 1, len(keys), np.uint32)
    for first in range(0, 1 << num_bits, CHUNK_HASHES):
        part = np.arange(first, min(first + CHUNK_HASHES, 1 << num_bits), dtype=np.uint32)
        starts[part] = np.searchsorted(keys, part << shift)
    return starts, shift


def _join(columns: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([*columns, np.zeros(0, dtype)]).astype(dtype, copy=False)
