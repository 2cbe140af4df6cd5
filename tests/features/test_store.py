"""Features on disk: whole clips or none."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.reading import WHOLE, Excerpt
from earmark.config import FeatureConfig
from earmark.errors import AudioError, StoreError
from earmark.features import store as store_module
from earmark.features.store import ClipKey, ContentDigests, FeatureStore, default_root

CONFIG = FeatureConfig(n_mels=8)
A, B = ClipKey("a"), ClipKey("b")


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", CONFIG)


def frames(num_frames, value):
    return np.full((num_frames, CONFIG.n_mels), value, np.float16)


def put(store, **clips):
    with store.writer() as writer:
        for key, clip in clips.items():
            writer.append(ClipKey(key), clip)


def only(store, pattern):
    (path,) = store.folder.glob(pattern)
    return path


def test_clips_come_back_as_they_were_written(store, rng):
    clips = {
        key: rng.normal(-50, 20, (length, CONFIG.n_mels)).astype(np.float16)
        for key, length in {"a": 3, "b": 1, "c": 40}.items()
    }
    put(store, **clips)
    for reader in (store, FeatureStore(store.root, CONFIG)):
        assert len(reader) == 3
        for key, clip in clips.items():
            assert ClipKey(key) in reader
            assert reader.num_frames(ClipKey(key)) == len(clip)
            np.testing.assert_array_equal(reader[ClipKey(key)], clip)


def test_a_clip_that_is_not_there_is_named(store):
    assert A not in store
    with pytest.raises(StoreError, match="features for a"):
        store[A]


def test_nothing_is_made_until_something_is_written(store):
    assert len(store) == 0
    assert not store.root.exists()


def test_the_settings_are_kept_beside_the_features(store):
    put(store, a=frames(1, 0))
    assert json.loads((store.folder / "settings.json").read_text()) == CONFIG.model_dump()


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_mels", 9), ("hop_length", 321), ("mel_scale", "htk"), ("power", 1.0), ("f_max", 7000.0)],
)
def test_other_settings_read_other_features(store, name, value):
    put(store, a=frames(1, 0))
    assert A not in FeatureStore(store.root, CONFIG.model_copy(update={name: value}))


def test_the_top_frequency_by_default_and_by_name_is_the_same_setting(store):
    put(store, a=frames(1, 0))
    assert A in FeatureStore(store.root, CONFIG.model_copy(update={"f_max": 8000.0}))


def test_another_version_of_the_front_end_reads_nothing(store, monkeypatch):
    put(store, a=frames(1, 0))
    monkeypatch.setattr(store_module, "FRONT_END_VERSION", store_module.FRONT_END_VERSION + 1)
    assert A not in FeatureStore(store.root, CONFIG)


def test_writers_have_shards_of_their_own_and_a_refresh_shows_what_others_added(store):
    other = FeatureStore(store.root, CONFIG)
    with store.writer() as one, other.writer() as two:
        one.append(A, frames(2, 1))
        two.append(B, frames(2, 2))
    store.refresh()
    assert len(list(store.folder.glob("*.f16"))) == 2
    assert (store[A][0, 0], store[B][0, 0]) == (1, 2)


def test_clips_are_not_read_before_they_are_committed(store):
    with store.writer() as writer:
        writer.append(A, frames(2, 1))
        writer.commit()
        writer.append(B, frames(2, 2))
        reader = FeatureStore(store.root, CONFIG)
        assert A in reader
        assert B not in reader


def test_long_work_is_committed_now_and_then(store, monkeypatch):
    monkeypatch.setattr(store_module, "COMMIT_SECONDS", -1.0)
    with store.writer() as writer:
        writer.append(A, frames(2, 1))
        assert A in FeatureStore(store.root, CONFIG)


@pytest.mark.parametrize("tail", [b'{"key": "c", "offs', b"\n\x00\x00\x00", b"\xff\xfe\n", b"\n\n"])
def test_torn_lines_are_skipped(store, tail):
    put(store, a=frames(2, 1), b=frames(2, 2))
    with only(store, "*.jsonl").open("ab") as index:
        index.write(tail)
    reader = FeatureStore(store.root, CONFIG)
    assert len(reader) == 2
    assert reader[B][0, 0] == 2


@pytest.mark.parametrize("num_lost", [1, 32])
def test_clips_beyond_the_data_are_skipped(store, num_lost):
    put(store, a=frames(2, 1), b=frames(2, 2))
    shard = only(store, "*.f16")
    os.truncate(shard, shard.stat().st_size - num_lost)
    reader = FeatureStore(store.root, CONFIG)
    assert B not in reader
    np.testing.assert_array_equal(reader[A], frames(2, 1))
    shard.unlink()
    assert len(FeatureStore(store.root, CONFIG)) == 0


def test_a_digest_is_read_again_only_when_size_or_time_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    os.utime(path, ns=(0, 1))
    with ContentDigests(tmp_path / "store") as digests:
        first = digests.digest(path)
    path.write_bytes(b"new")
    os.utime(path, ns=(0, 1))
    with ContentDigests(tmp_path / "store") as digests:
        assert digests.digest(path) == first
        os.utime(path, ns=(0, 2))
        second = digests.digest(path)
    assert second != first
    monkeypatch.setattr(store_module, "content_hash", None)
    assert ContentDigests(tmp_path / "store").digest(path) == second


def test_torn_digests_are_read_again(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    (tmp_path / "digests.jsonl").write_bytes(b'{"path": "' + os.fsencode(path) + b'", "size')
    digests = ContentDigests(tmp_path)
    assert len(digests.digest(path)) == 32
    with pytest.raises(AudioError, match=r"b\.wav"):
        digests.digest(tmp_path / "b.wav")


def test_the_index_is_read_again_only_when_something_was_written(store, monkeypatch):
    put(store, a=frames(1, 0))
    readings = []
    monkeypatch.setattr(FeatureStore, "refresh", lambda store: readings.append(store))
    with store.writer():
        pass
    assert readings == []
    put(store, b=frames(1, 0))
    assert readings == [store]


@pytest.mark.parametrize(
    ("excerpt", "text"),
    [
        (WHOLE, "aa"),
        (Excerpt(0.0, 1.5), "aa@0.0-1.5"),
        (Excerpt(2.0), "aa@2.0-None"),
        (Excerpt(1e-05, 3.0), "aa@1e-05-3.0"),
    ],
)
def test_a_key_has_the_text_that_stores_and_run_folders_hold(excerpt, text):
    key = ClipKey.of("aa", excerpt)
    assert str(key) == f"{key}" == text
    assert ClipKey.parse(text) == key


@given(st.floats(0, 1e6), st.one_of(st.just(math.inf), st.floats(0.01, 1e6)))
def test_a_key_comes_back_from_its_text(start, end):
    key = ClipKey("0123456789abcdef", start, end)
    assert ClipKey.parse(str(key)) == key


def test_the_shared_store_is_the_default(cache_folder):
    store = FeatureStore(None, CONFIG)
    assert store.root == default_root() == Path(cache_folder) / "earmark" / "features"
    assert FeatureStore("elsewhere", CONFIG).root == Path("elsewhere")
