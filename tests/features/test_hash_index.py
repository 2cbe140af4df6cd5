"""Which recordings may share sound: exactly those with votes, however many hashes there are."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from earmark.features import hash_index
from earmark.features.fingerprints import (
    NUM_FLIPS,
    NUM_LATER_FLIPS,
    SHORT_BITS,
    SHORT_HASH,
    Fingerprint,
    fingerprint,
    probes,
)
from earmark.features.hash_index import HashIndex
from earmark.features.matches import find_matches


def drawn(rng, num_hashes=20, num_values=40):
    """A fingerprint of hashes that others are likely to share, in frames with gaps."""
    hashes = rng.integers(num_values, size=num_hashes).astype(np.uint32)
    frames = np.sort(rng.choice(100, num_hashes, replace=False)).astype(np.uint32)
    weak = np.full(num_hashes, 0b1111, np.uint32)
    none = np.zeros(0, np.uint8)
    return Fingerprint(hashes, frames, weak, none, none)


def count_votes(first, second, *, long=False):
    """Votes by pairs of hops of offset, hash by hash: equal but for the bits that are uncertain."""
    mask = np.uint32(0xFFFFFFFF) if long else SHORT_HASH
    differ = (first.hashes[:, None] ^ second.hashes) & ~second.weak & mask
    offsets = (first.frames[:, None].astype(int) - second.frames.astype(int)) // 2
    return Counter(offsets[differ == 0].tolist())


def draw_weak(rng, size):
    """Masks of uncertain bits, among those that the hashes of `drawn` have."""
    short, later = (
        rng.permuted(np.tile(np.arange(bits), (size, 1)), axis=1)[:, :num_flips]
        for bits, num_flips in ((SHORT_BITS, NUM_FLIPS), (8, NUM_LATER_FLIPS))
    )
    places = np.concatenate([short, SHORT_BITS + later], axis=1).astype(np.uint32)
    return (np.uint32(1) << places).sum(axis=1).astype(np.uint32)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("few_hashes", [0, 48])
@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_those_of_a_search_through_all_pairs(long, few_hashes, seed, monkeypatch):
    monkeypatch.setattr(hash_index, "MAX_POSTINGS", 1000)
    monkeypatch.setattr(hash_index, "MAX_PAIRS", 1000)
    monkeypatch.setattr(hash_index, "CHUNK_HASHES", 50)
    monkeypatch.setattr(hash_index, "LONG_FROM", 0 if long else 1 << 21)
    monkeypatch.setattr(hash_index, "FEW_HASHES", few_hashes)
    rng = np.random.default_rng(seed)
    prints = [drawn(rng, num_hashes=int(rng.integers(1, 40))) for _ in range(24)]
    for one in prints:
        one.hashes[:] ^= rng.integers(2, size=len(one.hashes), dtype=np.uint32) << np.uint32(26)
        one.weak[:] = draw_weak(rng, len(one.hashes))
    prints[3] = Fingerprint.empty()
    fewest = 1 if few_hashes else 2
    expected = {}
    for first, second in combinations(range(len(prints)), 2):
        votes = count_votes(prints[first], prints[second], long=long)
        if votes and max(votes.values()) >= fewest:
            expected[first, second] = votes
    found = {(one.first, one.second): one for one in HashIndex(prints).candidates(prints)}
    assert found.keys() == expected.keys()
    assert len(found) > 10
    for pair, votes in expected.items():
        assert found[pair].votes == max(votes.values()) == votes[found[pair].offset]


@pytest.mark.parametrize("long", [False, True])
def test_others_are_looked_up_as_if_they_came_after_the_index(long, rng, monkeypatch):
    monkeypatch.setattr(hash_index, "LONG_FROM", 0 if long else 1 << 21)
    monkeypatch.setattr(hash_index, "MAX_POSTINGS", 1000)
    known, new = ([drawn(rng) for _ in range(12)] for _ in range(2))
    among_all = HashIndex([*known, *new]).candidates([*known, *new])
    expected = {one for one in among_all if one.first < len(known) <= one.second}
    assert {*HashIndex(known).candidates(new, len(known))} == expected
    assert expected


def test_long_recordings_need_two_votes(rng, monkeypatch):
    monkeypatch.setattr(hash_index, "FEW_HASHES", 0)
    prints = [drawn(rng, num_values=1 << 20) for _ in range(2)]
    prints[1].hashes[:2] = prints[0].hashes[:2] ^ np.uint32(5)
    for shift, num_found in ((0, 1), (2, 0)):
        prints[1].frames[:2] = prints[0].frames[:2] + np.array([10, 10 + shift], np.uint32)
        assert len(list(HashIndex(prints).candidates(prints))) == num_found


def test_a_few_recordings_are_read_for_a_hash_that_all_have(rng):
    prints = [drawn(rng, num_values=1)] * 300
    found = list(HashIndex(prints).candidates(prints))
    assert len(found) <= 300 * hash_index.MAX_POSTINGS
    assert {one.second for one in found} == set(range(1, 300))


def test_a_recording_is_paired_with_those_of_the_most_votes(rng, monkeypatch):
    monkeypatch.setattr(hash_index, "MAX_POSTINGS", 1000)
    one = drawn(rng, num_values=1 << 20)
    parts = [
        Fingerprint(one.hashes[:size], one.frames[:size], one.weak[:size], one.signs, one.active)
        for size in (*range(1, 12), *range(1, 12), *range(1, 12))
    ]
    prints = [*parts, one]
    votes = [found.votes for found in HashIndex(prints).candidates(prints) if found.second == 33]
    assert len(votes) == hash_index.MAX_PAIRS
    assert sum(votes) >= sum(sorted([*range(1, 12)] * 3)[-hash_index.MAX_PAIRS :])


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_copies_are_found_by_long_hashes_too(gain, sound, monkeypatch):
    originals = [sound(seed) for seed in range(4)]
    rng = np.random.default_rng(0)
    noisy = [gain * one[700:] + 0.01 * gain * rng.standard_normal(39_300) for one in originals]
    prints = [fingerprint([one.astype(np.float32)]) for one in (*originals, *noisy)]
    monkeypatch.setattr(hash_index, "LONG_FROM", 0)
    assert [(one.first, one.second) for one in find_matches(prints)] == [
        (number, number + 4) for number in range(4)
    ]


def test_long_hashes_agree_by_chance_less_often(rng, monkeypatch):
    monkeypatch.setattr(hash_index, "MAX_POSTINGS", 1000)
    prints = [drawn(rng, num_values=1 << 12) for _ in range(40)]
    for one in prints:
        one.hashes[:] |= rng.integers(256, size=20, dtype=np.uint32) << np.uint32(24)
        one.weak[:] |= np.uint32(0b111 << 24)
    num_short = len(list(HashIndex(prints).candidates(prints)))
    monkeypatch.setattr(hash_index, "LONG_FROM", 0)
    assert len(list(HashIndex(prints).candidates(prints))) < num_short / 4


@pytest.mark.parametrize("num_hashes", [1, 7, 5000])
def test_the_filter_lets_pass_what_it_holds_and_little_else(rng, num_hashes):
    held = rng.integers(1 << 32, size=num_hashes, dtype=np.uint32)
    others = rng.integers(1 << 32, size=20_000, dtype=np.uint32)
    blocks = hash_index._Blocks(num_hashes)
    blocks.add(held)

    def passed(hashes):
        later = hash_index._Later.of(hashes & ~SHORT_HASH, np.zeros_like(hashes))
        found, positions = next(blocks.may_hold(hashes & SHORT_HASH, later))
        assert np.array_equal(found, hashes[positions])
        return len(found)

    assert passed(held) == num_hashes
    assert passed(others) < 2000


def test_probes_have_every_setting_of_the_weak_bits_once():
    rows = list(probes(np.array([0xF0], np.uint32), np.array([0b10011010], np.uint32), NUM_FLIPS))
    assert rows[0][0] == 0xF0
    assert len({int(row[0]) for row in rows}) == len(rows) == 16
    assert {int(row[0]) & ~0b10011010 for row in rows} == {0xF0 & ~0b10011010}


def test_nothing_is_found_where_there_are_no_hashes():
    prints = [Fingerprint.empty()] * 3
    assert list(HashIndex(prints).candidates(prints)) == list(HashIndex([]).candidates([])) == []
