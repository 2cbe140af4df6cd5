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
from earmark.errors import StoreError
from earmark.features import store as store_module
from earmark.features.store import ClipKey, FeatureStore, default_root

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


@pytest.fixture
def one_clip(store, rng):
    """The frames of a clip in a store, and the functions to change a file and to read the clip."""
    clip = rng.normal(-50, 20, (3, CONFIG.n_mels)).astype(np.float16)
    put(store, a=clip)
    return clip


@pytest.mark.parametrize("pattern", ["*.f16", "*.jsonl", "settings.json"])
@pytest.mark.parametrize("change", ["flip", "zero"])
def test_no_damaged_byte_changes_a_value(store, one_clip, pattern, change):
    path = only(store, pattern)
    whole = path.read_bytes()
    num_lost = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] = 0 if change == "zero" else damaged[place] ^ 1 << place % 8
        path.write_bytes(damaged)
        reader = FeatureStore(store.root, CONFIG)
        if A in reader:
            np.testing.assert_array_equal(reader[A], one_clip)
        else:
            num_lost += 1
            with pytest.raises(StoreError, match="earmark prepare"):
                reader[A]
    assert num_lost >= (0 if pattern == "settings.json" else 0.9 * (len(whole) - whole.count(0)))


def test_a_damaged_clip_is_replaced_by_another_that_is_stored(store, one_clip):
    shard = only(store, "*.f16")
    damaged = bytearray(shard.read_bytes())
    damaged[5] ^= 4
    shard.write_bytes(damaged)
    store = FeatureStore(store.root, CONFIG)
    assert A not in store
    put(store, a=one_clip)
    for reader in (store, FeatureStore(store.root, CONFIG)):
        np.testing.assert_array_equal(reader[A], one_clip)


def test_frames_are_compared_with_their_checksum_once(store, one_clip, monkeypatch):
    computed = []
    monkeypatch.setattr(store_module, "checksum", lambda _: computed.append(1))
    store = FeatureStore(store.root, CONFIG)
    assert (A in store, A in store, len(computed)) == (False, False, 1)
    monkeypatch.undo()
    reader = FeatureStore(store.root, CONFIG)
    for _ in range(3):
        reader[A]
    monkeypatch.setattr(store_module, "checksum", pytest.fail)
    reader.refresh()
    np.testing.assert_array_equal(reader[A], one_clip)


def test_a_clip_without_a_checksum_is_used_and_fails_a_verification(store, one_clip):
    content = {"key": "a", "offset": 0, "frames": 3}
    only(store, "*.jsonl").write_text(json.dumps(content) + "\n")
    old = FeatureStore(store.root, CONFIG)
    np.testing.assert_array_equal(old[A], one_clip)
    assert not old.verify(A)
    put(old, a=one_clip)
    assert old.verify(A)
    assert FeatureStore(store.root, CONFIG).verify(A)


@pytest.mark.parametrize(
    "content",
    [
        {"key": "a@x-y", "offset": 0, "frames": 3},
        {"key": 5, "offset": 0, "frames": 3},
        {"key": "a", "offset": -2, "frames": 3},
        {"key": "a", "offset": "0", "frames": 3},
        {"key": "a", "offset": 0, "frames": 0},
        {"offset": 0, "frames": 3},
    ],
)
def test_damaged_lines_of_an_old_store_are_skipped(store, one_clip, content):
    only(store, "*.jsonl").write_text(json.dumps(content) + "\n")
    assert len(FeatureStore(store.root, CONFIG)) == 0


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


def test_stores_from_before_channels_could_be_chosen_are_still_read(tmp_path):
    def folder(**settings):
        return FeatureStore(tmp_path, FeatureConfig(**settings)).folder.name

    assert folder() == "e4a97e845a0e5eb1"
    assert len({folder(), folder(channel=1), folder(channel=2)}) == 3
