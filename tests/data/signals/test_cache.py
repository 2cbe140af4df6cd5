"""The cache of measurements."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from earmark.data.manifest import read_manifest
from earmark.data.signals.cache import CheckCache, CheckKey
from earmark.data.signals.signal import analyze_signal
from earmark.features.store import ClipKey

A, B = CheckKey(ClipKey("a"), ".wav"), CheckKey(ClipKey("b"), ".wav")


@pytest.fixture
def measurement(sound_folder):
    return analyze_signal(read_manifest(sound_folder).recordings[0])


def test_two_checks_share_a_store(tmp_path, measurement):
    """A check that decodes a long file does not block another one."""
    first = CheckCache(tmp_path)
    first._written_at = 0.0
    first.put(A, measurement)
    first.put(B, measurement)
    first._write()
    with closing(sqlite3.connect(tmp_path / "checks.sqlite", timeout=0.0)) as other:
        other.execute("DELETE FROM entries WHERE key LIKE '%a'")
        other.commit()
    with first:
        assert first.get(A) is None
        assert first.get(B) is not None


def test_a_measurement_is_read_as_it_was_written(tmp_path, measurement):
    with CheckCache(tmp_path) as cache:
        assert cache.get(A) is None
        cache.put(A, measurement)
    with CheckCache(tmp_path) as cache:
        found = cache.get(A)
    assert found.stats == measurement.stats
    assert found.fingerprint.to_bytes() == measurement.fingerprint.to_bytes()


def test_the_suffix_is_part_of_the_key(tmp_path, recording):
    keys = {CheckKey.of(recording(tmp_path / name), "aa") for name in ("a.wav", "b.WAV", "a.flac")}
    assert len(keys) == 2


def test_damage_never_changes_a_measurement(tmp_path, measurement):
    with CheckCache(tmp_path) as cache:
        cache.put(A, measurement)
        cache.put(B, measurement)
    whole = (tmp_path / "checks.sqlite").read_bytes()
    rng = np.random.default_rng(0)
    num_lost = 0
    for place in [*range(0, 100, 2), *range(1, 100, 6), *rng.integers(0, len(whole), 60)]:
        damaged = bytearray(whole)
        damaged[place : place + 4] = bytes(4) if place % 2 else rng.bytes(4)
        (tmp_path / "checks.sqlite").write_bytes(damaged)
        with CheckCache(tmp_path) as cache:
            for key in (A, B):
                found = cache.get(key)
                num_lost += found is None
                if found:
                    assert found.stats == measurement.stats
                    assert found.fingerprint.to_bytes() == measurement.fingerprint.to_bytes()
            cache.put(A, measurement)
        with CheckCache(tmp_path) as cache:
            assert cache.get(A).stats == measurement.stats
    assert num_lost > 20
