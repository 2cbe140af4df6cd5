"""Features on disk: whole clips or none, and nothing computed twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio.reading import WHOLE, Excerpt
from earmark.config import FeatureConfig
from earmark.data import preparation as preparation_module
from earmark.data.manifest import Recording, read_manifest
from earmark.data.preparation import prepare
from earmark.errors import AudioError, FailedFile, StoreError
from earmark.features import store as store_module
from earmark.features.log_mel import LogMel, extract
from earmark.features.store import ContentDigests, FeatureStore, default_root

CONFIG = FeatureConfig(n_mels=8)


class Listener:
    """A reporter that remembers what it was told."""

    def __init__(self):
        self.warnings = []
        self.notes = []

    def info(self, message):
        assert "of sound" in message

    def warn(self, message):
        self.warnings.append(message)

    def track(self, title, total):
        self.title, self.total = title, total
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def advance(self, steps=1, note=""):
        self.notes.append(note)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", CONFIG)


@pytest.fixture
def recordings(tmp_path, write_clip):
    folder = tmp_path / "data"
    for seed, label in enumerate(["a", "a", "b", "b"]):
        write_clip(folder / label / f"{seed}.wav", 0.5 + 0.1 * seed, seed=seed)
    return list(read_manifest(folder).recordings)


def frames(num_frames, value):
    return np.full((num_frames, CONFIG.n_mels), value, np.float16)


def put(store, **clips):
    with store.writer() as writer:
        for key, clip in clips.items():
            writer.append(key, clip)


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
            assert key in reader
            assert reader.num_frames(key) == len(clip)
            np.testing.assert_array_equal(reader[key], clip)


def test_a_clip_that_is_not_there_is_named(store):
    assert "a" not in store
    with pytest.raises(StoreError, match="no features for a; run earmark prepare again"):
        store["a"]


def test_nothing_is_made_until_something_is_written(store):
    assert len(store) == 0
    assert not store.root.exists()


def test_the_settings_stand_beside_the_features(store):
    put(store, a=frames(1, 0))
    assert json.loads((store.folder / "settings.json").read_text()) == CONFIG.model_dump()


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_mels", 9), ("hop_length", 321), ("mel_scale", "htk"), ("power", 1.0), ("f_max", 7000.0)],
)
def test_other_settings_read_other_features(store, name, value):
    put(store, a=frames(1, 0))
    assert "a" not in FeatureStore(store.root, CONFIG.model_copy(update={name: value}))


def test_the_same_top_frequency_is_the_same_setting_however_it_is_said(store):
    put(store, a=frames(1, 0))
    assert "a" in FeatureStore(store.root, CONFIG.model_copy(update={"f_max": 8000.0}))


def test_another_version_of_the_front_end_reads_nothing(store, monkeypatch):
    put(store, a=frames(1, 0))
    monkeypatch.setattr(store_module, "FRONT_END_VERSION", store_module.FRONT_END_VERSION + 1)
    assert "a" not in FeatureStore(store.root, CONFIG)


def test_writers_have_shards_of_their_own_and_a_refresh_shows_what_others_added(store):
    other = FeatureStore(store.root, CONFIG)
    with store.writer() as one, other.writer() as two:
        one.append("a", frames(2, 1))
        two.append("b", frames(2, 2))
    store.refresh()
    assert len(list(store.folder.glob("*.f16"))) == 2
    assert (store["a"][0, 0], store["b"][0, 0]) == (1, 2)


def test_what_was_written_before_an_interruption_is_kept(store, recordings, monkeypatch):
    real = preparation_module.extract

    def interrupted(path, *others, **options):
        if path == recordings[2].path:
            raise KeyboardInterrupt
        return real(path, *others, **options)

    monkeypatch.setattr(preparation_module, "extract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(recordings, store, num_workers=1)
    assert len(store) == 2
    monkeypatch.undo()
    assert prepare(recordings, store).num_computed == 2


def test_clips_that_are_not_committed_do_not_count(store):
    with store.writer() as writer:
        writer.append("a", frames(2, 1))
        writer.commit()
        writer.append("b", frames(2, 2))
        reader = FeatureStore(store.root, CONFIG)
        assert "a" in reader
        assert "b" not in reader


def test_long_work_is_committed_now_and_then(store, monkeypatch):
    monkeypatch.setattr(store_module, "COMMIT_SECONDS", -1.0)
    with store.writer() as writer:
        writer.append("a", frames(2, 1))
        assert "a" in FeatureStore(store.root, CONFIG)


@pytest.mark.parametrize("tail", [b'{"key": "c", "offs', b"\n\x00\x00\x00", b"\xff\xfe\n", b"\n\n"])
def test_torn_lines_are_passed_over(store, tail):
    put(store, a=frames(2, 1), b=frames(2, 2))
    with only(store, "*.jsonl").open("ab") as index:
        index.write(tail)
    reader = FeatureStore(store.root, CONFIG)
    assert len(reader) == 2
    assert reader["b"][0, 0] == 2


@pytest.mark.parametrize("num_lost", [1, 32])
def test_clips_beyond_the_data_are_passed_over(store, num_lost):
    put(store, a=frames(2, 1), b=frames(2, 2))
    shard = only(store, "*.f16")
    os.truncate(shard, shard.stat().st_size - num_lost)
    reader = FeatureStore(store.root, CONFIG)
    assert "b" not in reader
    np.testing.assert_array_equal(reader["a"], frames(2, 1))
    shard.unlink()
    assert len(FeatureStore(store.root, CONFIG)) == 0


def test_a_killed_writer_leaves_whole_clips_and_the_rest_is_computed_later(store, recordings):
    code = """
import os, signal, sys
from pathlib import Path
from earmark import store as module
from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare

commits = []
commit = module.StoreWriter.commit

def commit_twice_and_die(writer):
    commits.append(writer)
    if len(commits) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    commit(writer)

module.COMMIT_SECONDS = -1.0
module.StoreWriter.commit = commit_twice_and_die
store = module.FeatureStore(Path(sys.argv[1]), FeatureConfig(n_mels=8))
prepare(read_manifest(Path(sys.argv[2])).recordings, store)
"""
    data = recordings[0].path.parents[1]
    run = subprocess.run([sys.executable, "-c", code, str(store.root), str(data)], check=False)
    assert run.returncode == -signal.SIGKILL
    with only(store, "*.f16").open("ab") as shard:
        shard.write(b"half a clip")
    store.refresh()
    assert len(store) == 2
    prepared = prepare(recordings, store)
    assert prepared.num_computed == 2
    for one in recordings:
        expected = extract(one.path, LogMel(CONFIG)).frames
        np.testing.assert_array_equal(store[prepared.keys[one.name]], expected)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_prepared_features_are_those_of_the_files_and_computed_once(store, recordings, num_workers):
    listener = Listener()
    prepared = prepare(recordings, store, num_workers=num_workers, reporter=listener)
    assert (prepared.num_computed, prepared.skipped) == (4, ())
    assert (listener.title, listener.total) == ("features", 4)
    assert len(listener.notes) == len(recordings)
    for one in recordings:
        expected = extract(one.path, LogMel(CONFIG)).frames
        np.testing.assert_array_equal(store[prepared.keys[one.name]], expected)
    again = prepare(recordings, FeatureStore(store.root, CONFIG))
    assert (again.num_computed, again.keys) == (0, prepared.keys)


def test_files_that_moved_are_not_computed_again(store, recordings, tmp_path):
    keys = prepare(recordings, store).keys
    recordings[0].path.parents[1].rename(tmp_path / "moved")
    moved = prepare(read_manifest(tmp_path / "moved").recordings, store)
    assert (moved.num_computed, moved.keys) == (0, keys)


def test_a_changed_file_or_setting_is_computed_again(store, recordings, write_clip):
    before = prepare(recordings, store).keys
    changed = recordings[1]
    write_clip(changed.path, kind="noise", seed=9)
    after = prepare(recordings, store)
    assert after.num_computed == 1
    assert {name for name in before if before[name] != after.keys[name]} == {changed.name}
    expected = extract(changed.path, LogMel(CONFIG)).frames
    np.testing.assert_array_equal(store[after.keys[changed.name]], expected)
    other = FeatureStore(store.root, CONFIG.model_copy(update={"hop_length": 160}))
    assert prepare(recordings, other).num_computed == 4


def test_files_that_cannot_be_read_are_named_and_the_others_stored(store, recordings):
    empty, missing = recordings[0], recordings[2]
    empty.path.write_bytes(b"")
    missing.path.unlink()
    listener = Listener()
    prepared = prepare(recordings, store, reporter=listener)
    assert prepared.num_computed == len(store) == 2
    assert set(prepared.keys) == {recordings[1].name, recordings[3].name}
    assert [one.path for one in prepared.skipped] == [empty.name, missing.name]
    assert listener.warnings == [f"skipped: {one.error}" for one in prepared.skipped]
    assert str(empty.path) in prepared.skipped[0].error


def test_one_content_under_two_names_has_one_key(store, tmp_path, write_clip):
    for name in ("x/1.wav", "y/2.wav"):
        write_clip(tmp_path / "twins" / name, seed=5)
    prepared = prepare(read_manifest(tmp_path / "twins").recordings, store)
    assert len(set(prepared.keys.values())) == len(store) == 1


def test_stretches_of_a_file_have_keys_and_features_of_their_own(store, tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 3)
    stretches = [WHOLE, Excerpt(0.0, 1.0), Excerpt(1.0, 2.5), Excerpt(1.0)]
    recordings = [
        Recording(path, f"a{index}", ("x",), "a", excerpt=excerpt)
        for index, excerpt in enumerate(stretches)
    ]
    keys = prepare(recordings, store).keys
    assert len(set(keys.values())) == 4
    assert [store.num_frames(keys[one.name]) for one in recordings] == [151, 51, 76, 101]


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
    with pytest.raises(AudioError, match=r"b\.wav: cannot be read: No such file"):
        digests.digest(tmp_path / "b.wav")


def test_a_skipped_recording_tells_its_path_and_error():
    assert FailedFile("a.wav", "empty").to_dict() == {"path": "a.wav", "error": "empty"}


def test_the_shared_store_is_in_the_cache_folder(cache_folder):
    assert default_root() == Path(cache_folder) / "earmark" / "features"


def test_flac_and_wav_of_one_sound_have_the_same_features(store, tmp_path, rng):
    samples = (3000 * rng.standard_normal(16_000)).astype(np.int16)
    for name in ("a/1.wav", "a/2.flac"):
        (tmp_path / "two" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "two" / name, samples, 16_000)
    keys = prepare(read_manifest(tmp_path / "two").recordings, store).keys
    np.testing.assert_array_equal(store[keys["a/1.wav"]], store[keys["a/2.flac"]])
