"""Fingerprints that are read from the store one by one."""

import pytest

from earmark.features import fingerprint_cache
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.fingerprints import fingerprint
from earmark.features.matches import find_matches
from earmark.features.store import ClipKey

KEYS = [ClipKey(digest) for digest in "abcd"]


@pytest.fixture
def prints(sound):
    """The last one is a copy of the first one."""
    return [fingerprint([sound(seed)]) for seed in (1, 2, 3, 1)]


@pytest.fixture
def kept(tmp_path, prints):
    with FingerprintCache(tmp_path) as cache:
        for key, one in zip(KEYS, prints, strict=True):
            cache.put_fingerprint(key, one)
    with FingerprintCache(tmp_path) as cache:
        yield KeptFingerprints(cache, KEYS)


@pytest.mark.parametrize("num_held", [0, 1, 2.5, 100])
def test_however_few_are_held_the_matches_are_those_of_fingerprints_in_memory(
    num_held, kept, prints, monkeypatch
):
    most = int(num_held * prints[0].num_bytes)
    monkeypatch.setattr(fingerprint_cache, "HELD_BYTES", most)
    assert [(one.first, one.second) for one in find_matches(kept)] == [(0, 3)]
    assert find_matches(kept) == find_matches(prints)
    assert kept._held_bytes == sum(one.num_bytes for one in kept._held.values()) <= most
    assert len(kept._held) == min(int(num_held), len(prints))


def test_what_was_read_last_is_not_read_again(kept, prints, monkeypatch):
    monkeypatch.setattr(fingerprint_cache, "HELD_BYTES", 2 * prints[0].num_bytes)
    read = []
    original = kept._cache.get_fingerprint
    monkeypatch.setattr(
        kept._cache, "get_fingerprint", lambda key: (read.append(key.digest), original(key))[1]
    )
    for index in (0, 1, 0, 1, 2, 1, 2, 0):
        assert kept[index].to_bytes() == prints[index].to_bytes()
    assert read == ["a", "b", "c", "a"]


def test_a_fingerprint_that_was_lost_is_empty_with_one_warning(tmp_path, caplog):
    with FingerprintCache(tmp_path) as cache:
        assert [len(one.hashes) for one in KeptFingerprints(cache, KEYS)] == [0] * len(KEYS)
    assert [one.levelname for one in caplog.records] == ["WARNING"]
