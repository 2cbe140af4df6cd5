"""Features are computed once for each content, whatever fails or is interrupted."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from earmark import prepare
from earmark.audio.reading import WHOLE, Excerpt
from earmark.config import Config, FeatureConfig, TrainConfig
from earmark.data import preparation as preparation_module
from earmark.data.manifest import read_manifest
from earmark.data.preparation import (
    prepare_once,
    prepare_recordings,
    training_clips,
    usable_clips,
)
from earmark.data.recording import Recording
from earmark.errors import DataError
from earmark.features.extraction import extraction_job
from earmark.features.log_mel import LogMel, extract
from earmark.features.store import ClipKey, FeatureStore, StoreWriter
from earmark.system.hashing import content_hash
from earmark.system.runtime import Runtime

CONFIG = FeatureConfig(n_mels=8)


class Bars:
    """A reporter that remembers its bar."""

    def __init__(self):
        self.notes = []

    def track(self, title, total):
        self.title, self.total = title, total
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def advance(self, steps=1, note=""):
        self.notes.append(note)

    def add_sound(self, seconds):
        pass


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", CONFIG)


@pytest.fixture
def recordings(tmp_path, write_clip):
    folder = tmp_path / "data"
    for seed, label in enumerate(["a", "a", "b", "b"]):
        write_clip(folder / label / f"{seed}.wav", 0.5 + 0.1 * seed, seed=seed)
    return list(read_manifest(folder).recordings)


def test_what_was_written_before_an_interruption_is_kept(store, recordings, monkeypatch):
    append = StoreWriter.append
    appended = []

    def interrupted(writer, key, frames):
        if len(appended) == 2:
            raise KeyboardInterrupt
        appended.append(key)
        append(writer, key, frames)

    monkeypatch.setattr(StoreWriter, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_recordings(recordings, store, num_workers=1)
    assert len(store) == 2
    monkeypatch.undo()
    assert prepare_recordings(recordings, store).num_computed == 2


def test_a_killed_writer_leaves_whole_clips_and_the_rest_is_computed_later(store, recordings):
    code = """
import os, signal, sys
from pathlib import Path
from earmark.features import store as module
from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings

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
prepare_recordings(read_manifest(Path(sys.argv[2])).recordings, store)
"""
    data = recordings[0].path.parents[1]
    run = subprocess.run([sys.executable, "-c", code, str(store.root), str(data)], check=False)
    assert run.returncode == -signal.SIGKILL
    (shard,) = store.folder.glob("*.f16")
    with shard.open("ab") as file:
        file.write(b"half a clip")
    store.refresh()
    assert len(store) == 2
    prepared = prepare_recordings(recordings, store)
    assert prepared.num_computed == 2
    for one in recordings:
        expected = extract(one.path, LogMel(CONFIG)).frames
        np.testing.assert_array_equal(store[prepared.keys[one.name]], expected)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_prepared_features_are_those_of_the_files_and_computed_once(store, recordings, num_workers):
    bars = Bars()
    prepared = prepare_recordings(recordings, store, num_workers=num_workers, reporter=bars)
    assert (prepared.num_computed, prepared.skipped) == (4, ())
    assert (bars.title, bars.total) == ("features", 4)
    assert len(bars.notes) == len(recordings)
    for one in recordings:
        expected = extract(one.path, LogMel(CONFIG)).frames
        np.testing.assert_array_equal(store[prepared.keys[one.name]], expected)
    again = prepare_recordings(recordings, FeatureStore(store.root, CONFIG))
    assert (again.num_computed, again.keys) == (0, prepared.keys)


def test_files_that_moved_are_not_computed_again(store, recordings, tmp_path):
    keys = prepare_recordings(recordings, store).keys
    recordings[0].path.parents[1].rename(tmp_path / "moved")
    moved = prepare_recordings(read_manifest(tmp_path / "moved").recordings, store)
    assert (moved.num_computed, moved.keys) == (0, keys)


def test_a_changed_file_or_setting_is_computed_again(store, recordings, write_clip):
    before = prepare_recordings(recordings, store).keys
    changed = recordings[1]
    write_clip(changed.path, kind="noise", seed=9)
    after = prepare_recordings(recordings, store)
    assert after.num_computed == 1
    assert {name for name in before if before[name] != after.keys[name]} == {changed.name}
    expected = extract(changed.path, LogMel(CONFIG)).frames
    np.testing.assert_array_equal(store[after.keys[changed.name]], expected)
    other = FeatureStore(store.root, CONFIG.model_copy(update={"hop_length": 160}))
    assert prepare_recordings(recordings, other).num_computed == 4


def test_files_that_cannot_be_read_are_named_and_the_others_stored(store, recordings, caplog):
    empty, missing = recordings[0], recordings[2]
    empty.path.write_bytes(b"")
    missing.path.unlink()
    prepared = prepare_recordings(recordings, store)
    assert prepared.num_computed == len(store) == 2
    assert set(prepared.keys) == {recordings[1].name, recordings[3].name}
    assert [one.path for one in prepared.skipped] == [empty.name, missing.name]
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    for one, message in zip(prepared.skipped, warnings, strict=True):
        assert one.error in message
    assert str(empty.path) in prepared.skipped[0].error


@pytest.fixture
def twins(tmp_path, write_clip):
    """Eight files of one content, and one of another."""
    folder = tmp_path / "twins"
    for number in range(8):
        write_clip(folder / "x" / f"{number}.wav", seed=5)
    write_clip(folder / "y" / "other.wav", seed=6)
    return folder


@pytest.mark.parametrize("num_workers", [1, 4])
def test_files_of_equal_content_are_computed_stored_and_counted_once(
    store, twins, monkeypatch, num_workers
):
    computed = []

    def counting(path, *others, **options):
        computed.append(path.name)
        return extraction_job(path, *others, **options)

    monkeypatch.setattr(preparation_module, "extraction_job", counting)
    recordings = read_manifest(twins).recordings
    prepared = prepare_recordings(recordings, store, num_workers=num_workers)
    assert len(computed) == prepared.num_computed == len(store) == 2
    assert len(set(prepared.keys.values())) == 2
    assert set(prepared.keys) == {one.name for one in recordings}
    (shard,) = store.folder.glob("*.f16")
    assert shard.stat().st_size == 2 * store[prepared.keys["y/other.wav"]].nbytes


def test_damaged_files_of_equal_content_are_each_named(store, tmp_path):
    for name in ("x/1.wav", "x/2.wav"):
        (tmp_path / "bad" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bad" / name).write_bytes(b"no sound at all")
    prepared = prepare_recordings(read_manifest(tmp_path / "bad").recordings, store)
    assert prepared.keys == {}
    for one, name in zip(prepared.skipped, ("x/1.wav", "x/2.wav"), strict=True):
        assert one.path == name
        assert name in one.error


def test_excerpts_of_a_file_have_keys_and_features_of_their_own(store, tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 3)
    excerpts = [WHOLE, Excerpt(0.0, 1.0), Excerpt(1.0, 2.5), Excerpt(1.0)]
    recordings = [
        Recording(path, f"a{index}", ("x",), "a", excerpt=excerpt)
        for index, excerpt in enumerate(excerpts)
    ]
    keys = prepare_recordings(recordings, store).keys
    assert len(set(keys.values())) == 4
    assert [store.num_frames(keys[one.name]) for one in recordings] == [151, 51, 76, 101]


def test_flac_and_wav_of_one_sound_have_the_same_features(store, tmp_path, rng):
    samples = (3000 * rng.standard_normal(16_000)).astype(np.int16)
    for name in ("a/1.wav", "a/2.flac"):
        (tmp_path / "two" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "two" / name, samples, 16_000)
    keys = prepare_recordings(read_manifest(tmp_path / "two").recordings, store).keys
    np.testing.assert_array_equal(store[keys["a/1.wav"]], store[keys["a/2.flac"]])


def test_the_verb_takes_a_path_a_text_or_a_manifest(tmp_path, recordings):
    data = recordings[0].path.parents[1]
    settings = Config(features=CONFIG)
    prepared = prepare(data, settings, store=str(tmp_path / "store"))
    assert prepared.to_dict() == {
        "num_clips": 4,
        "num_computed": 4,
        "store": str(tmp_path / "store"),
        "skipped": [],
    }
    assert "4 clips" in repr(prepared)
    for again in (str(data), read_manifest(data)):
        assert prepare(again, settings, store=tmp_path / "store").num_computed == 0
    with pytest.raises(DataError, match="nowhere"):
        prepare(tmp_path / "nowhere")


def test_features_go_into_the_shared_store_by_default(cache_folder, recordings):
    assert prepare(recordings[0].path.parents[1]).store.is_relative_to(cache_folder)


def test_clips_that_are_trained_on_do_not_validate(sound_folder, store, caplog):
    known = sound_folder / "training" / "music" / "music_0.wav"
    (sound_folder / "validation" / "music" / "copy.wav").write_bytes(known.read_bytes())
    manifest = read_manifest(sound_folder)
    prepared = prepare_recordings(manifest.recordings, store)
    clips = training_clips(manifest, prepared, TrainConfig())
    assert [len(clips[split]) for split in ("train", "validation")] == [12, 6]
    assert "validation/music/copy.wav" in caplog.text
    assert len(usable_clips(manifest, prepared, "validation")) == 7
    assert len(usable_clips(manifest, prepared)) == len(manifest)


def test_recordings_without_features_are_no_clips(store, sound_folder):
    (sound_folder / "testing" / "music" / "music_0.wav").write_bytes(b"")
    manifest = read_manifest(sound_folder)
    clips = usable_clips(manifest, prepare_recordings(manifest.recordings, store), "test")
    assert [clip.targets for clip in clips] == [(0,)] * 2 + [(1,)] * 3


@pytest.mark.parametrize("is_main", [True, False])
def test_other_processes_wait_until_the_first_has_computed(store, recordings, is_main):
    stored = []

    class Process(Runtime):
        def wait(self):
            if not is_main:
                prepare_recordings(recordings, FeatureStore(store.root, CONFIG))
            stored.append(len(store))

    process = Process(torch.device("cpu"), rank=0 if is_main else 1, world_size=2)
    assert prepare_once(recordings, store, process).num_computed == (4 if is_main else 0)
    assert stored == ([4, 4] if is_main else [0, 4])
    assert len(store) == 4


@pytest.mark.parametrize("pattern", ["*.f16", "*.jsonl"])
@pytest.mark.parametrize("place", [3, 400, 3000])
def test_damaged_clips_are_computed_again(store, recordings, pattern, place):
    expected = {
        key: np.array(store[key])
        for key in prepare_recordings(recordings, store, num_workers=1).keys.values()
    }
    (path,) = store.folder.glob(pattern)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 16
    path.write_bytes(content)
    for num_computed in (1, 0):
        again = FeatureStore(store.root, CONFIG)
        assert prepare_recordings(recordings, again).num_computed == num_computed
        for key, frames in expected.items():
            np.testing.assert_array_equal(again[key], frames)


def test_clips_without_checksums_are_computed_again_on_request(store, recordings):
    prepare_recordings(recordings, store)
    assert prepare_recordings(recordings, store, verify=True).num_computed == 0
    (index,) = store.folder.glob("*.jsonl")
    lines = [json.loads(line)[1] for line in index.read_text().splitlines()]
    index.write_text("".join(json.dumps(line | {"checksum": 0}) + "\n" for line in lines))
    old = FeatureStore(store.root, CONFIG)
    assert prepare_recordings(recordings, old).num_computed == 0
    for num_computed in (4, 0):
        prepared = prepare_recordings(recordings, old, verify=True)
        assert prepared.num_computed == num_computed


def test_a_file_that_changes_while_it_is_decoded_is_not_stored(store, recordings, monkeypatch):
    victim = recordings[2].path

    def late(path, *others, **options):
        if path == victim:
            shutil.copyfile(recordings[0].path, path)
        return extraction_job(path, *others, **options)

    old = content_hash(victim)
    monkeypatch.setattr(preparation_module, "extraction_job", late)
    prepared = prepare_recordings(recordings, store)
    assert [one.path for one in prepared.skipped] == [recordings[2].name]
    assert ClipKey(old) not in store
    monkeypatch.undo()
    assert prepare_recordings(recordings, store).skipped == ()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_files_that_crash_or_eat_memory_are_named_and_the_others_stored(
    store, tmp_path, write_clip, hostile_decoder, caplog, num_workers
):
    names = ["crash_0", *"abcdefghij", "k", "crash_1", "memory", "l", "crash_2"]
    for at, name in enumerate(names):
        write_clip(tmp_path / "data" / "x" / f"{name}.wav", 0.3, seed=at)
    recordings = read_manifest(tmp_path / "data").recordings
    prepared = prepare_recordings(recordings, store, num_workers=num_workers)
    failed = sorted(name for name in names if len(name) > 1)
    assert [one.path for one in prepared.skipped] == [f"x/{name}.wav" for name in failed]
    assert set(prepared.keys) == {f"x/{name}.wav" for name in names if len(name) == 1}
    assert all(f"{name}.wav" in caplog.text for name in failed)
    for one in recordings:
        if one.name in prepared.keys:
            expected = extract(one.path, LogMel(CONFIG)).frames
            np.testing.assert_array_equal(store[prepared.keys[one.name]], expected)


def test_a_copy_of_a_file_that_crashes_is_named_too(store, tmp_path, write_clip, hostile_decoder):
    first = write_clip(tmp_path / "data" / "x" / "crash_1.wav")
    (first.parent / "crash_2.wav").write_bytes(first.read_bytes())
    (first.parent / "equal.wav").write_bytes(first.read_bytes())
    prepared = prepare_recordings(read_manifest(tmp_path / "data").recordings, store)
    assert [one.path for one in prepared.skipped] == ["x/crash_1.wav", "x/crash_2.wav"]
    assert [*prepared.keys] == ["x/equal.wav"]
