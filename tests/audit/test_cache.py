"""The cache of measurements."""

import sqlite3
from contextlib import closing

import pytest

from earmark.audit.cache import CheckCache, cache_key
from earmark.audit.signal import analyze_signal
from earmark.data.manifest import read_manifest
from earmark.errors import StoreError


def test_two_checks_share_a_store(tmp_path, sound_folder):
    """A check that decodes a long file does not block another one."""
    first = CheckCache(tmp_path)
    first._written_at = 0.0
    measurement = analyze_signal(read_manifest(sound_folder).recordings[0])
    first.put("a", measurement)
    first.put("b", measurement)
    with closing(sqlite3.connect(tmp_path / "checks.sqlite", timeout=0.0)) as other:
        other.execute("DELETE FROM measurements WHERE key = 'a'")
        other.commit()
    with first:
        assert first.get("a") is None


def test_a_damaged_cache_is_an_error_of_the_store(tmp_path):
    (tmp_path / "checks.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"checks\.sqlite"):
        CheckCache(tmp_path)


def test_a_measurement_is_read_as_it_was_written(tmp_path, sound_folder):
    measurement = analyze_signal(read_manifest(sound_folder).recordings[0])
    with CheckCache(tmp_path) as cache:
        assert cache.get("a") is None
        cache.put("a", measurement)
    with CheckCache(tmp_path) as cache:
        found = cache.get("a")
    assert found.stats == measurement.stats
    assert found.fingerprint.to_bytes() == measurement.fingerprint.to_bytes()


def test_the_suffix_is_part_of_the_key(tmp_path, recording):
    keys = {cache_key(recording(tmp_path / name), "aa") for name in ("a.wav", "b.WAV", "a.flac")}
    assert len(keys) == 2
