"""Each content is decoded once."""

import pytest

from earmark.audio.isolation import Job
from earmark.audit.audit import check
from earmark.data.manifest import read_manifest
from earmark.data.signals.measure import measure_recordings
from earmark.data.signals.signal import analyze_signal
from earmark.errors import AudioError
from earmark.features.fingerprint_cache import FingerprintCache
from earmark.system.progress import SILENT


@pytest.mark.parametrize("num_workers", [1, 3])
def test_measured_recordings_are_not_decoded_again(
    sound_folder, tmp_path, monkeypatch, num_workers
):
    monkeypatch.setattr("earmark.system.parallel.default_num_workers", lambda: num_workers)
    manifest = read_manifest(sound_folder)
    first = measure_recordings(manifest, tmp_path / "store", SILENT)
    monkeypatch.setattr("earmark.data.signals.measure.Job", pytest.fail)
    second = measure_recordings(manifest, tmp_path / "store", SILENT)
    assert [*first] == [*second] == [one.name for one in manifest.recordings]
    assert all(one.stats == second[name].stats for name, one in first.items())


@pytest.fixture
def decoded(monkeypatch):
    """The names of the recordings that are decoded."""
    names = []

    def counted(path, recording):
        names.append(recording.name)
        return Job(path, recording)

    monkeypatch.setattr("earmark.data.signals.measure.Job", counted)
    return names


def test_equal_files_are_decoded_once_and_reported(tmp_path, write_clip, recording, data, decoded):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=name == "c") for name in "abc"]
    found = check(data([recording(path, group="g") for path in paths]))
    assert sorted(decoded) == ["a.wav", "c.wav"]
    (duplicates,) = [one for one in found.findings if one.kind == "duplicate"]
    assert duplicates.paths == ("a.wav", "b.wav")
    assert found.num_files == 3


def test_the_store_has_the_fingerprint_of_every_recording_that_can_be_read(
    tmp_path, write_clip, recording, data
):
    recordings = [
        recording(write_clip(tmp_path / f"{name}.wav", seed=name == "c")) for name in "abc"
    ]
    store = tmp_path / "store"
    for _ in range(2):
        results = measure_recordings(data(recordings), store, SILENT)
        with FingerprintCache(store) as cache:
            for one in recordings:
                expected = analyze_signal(one)
                kept = cache.get_fingerprint(results[one.name].key)
                assert kept.to_bytes() == expected.fingerprint.to_bytes()
                assert results[one.name].stats == expected.stats


def test_a_renamed_file_is_not_decoded_again(tmp_path, write_clip, recording, data, decoded):
    path = write_clip(tmp_path / "a.wav")
    measure_recordings(data([recording(path)]), tmp_path / "store", SILENT)
    renamed = recording(path.rename(tmp_path / "b.wav"))
    measure_recordings(data([renamed]), tmp_path / "store", SILENT)
    assert decoded == ["a.wav"]


def test_equal_broken_files_each_have_an_error_of_their_own(tmp_path, recording, data):
    recordings = []
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"no sound" * 100)
        recordings.append(recording(tmp_path / name))
    results = measure_recordings(data(recordings), tmp_path / "store", SILENT)
    for name, error in results.items():
        assert isinstance(error, AudioError)
        assert str(tmp_path / name) in str(error)


def test_a_missing_file_is_an_error(tmp_path, recording, data):
    manifest = data([recording(tmp_path / "gone.wav")])
    (error,) = measure_recordings(manifest, tmp_path / "store", SILENT).values()
    assert (type(error), error.fault) == (AudioError, "missing")


def test_a_file_that_changes_while_it_is_analyzed_is_an_error(
    tmp_path, write_clip, recording, data, monkeypatch
):
    path, other = write_clip(tmp_path / "a.wav"), write_clip(tmp_path / "b.wav", seed=1)

    def job(path, one):
        path.write_bytes(other.read_bytes())
        return Job(path, one)

    monkeypatch.setattr("earmark.data.signals.measure.Job", job)
    (error,) = measure_recordings(data([recording(path)]), tmp_path / "s", SILENT).values()
    assert (type(error), error.fault) == (AudioError, "changed")
    monkeypatch.undo()
    (found,) = measure_recordings(data([recording(path)]), tmp_path / "s", SILENT).values()
    assert found.stats == analyze_signal(recording(other)).stats


def test_files_that_crash_hang_or_eat_memory_are_errors_and_the_others_are_measured(
    tmp_path, write_clip, recording, data, hostile_decoder
):
    names = ["a", "crash", "b", "hang", "c", "memory", "d", "crash_copy"]
    paths = {name: write_clip(tmp_path / f"{name}.wav", seed=at) for at, name in enumerate(names)}
    paths["crash_copy"].write_bytes(paths["crash"].read_bytes())
    manifest = data([recording(path) for path in paths.values()])
    results = measure_recordings(manifest, tmp_path / "store", SILENT)
    faults = {
        name.removesuffix(".wav"): one.fault
        for name, one in results.items()
        if isinstance(one, AudioError)
    }
    assert faults == {
        "crash": "crashed",
        "crash_copy": "crashed",
        "hang": "timeout",
        "memory": "memory",
    }
    assert "crash_copy.wav" in str(results["crash_copy.wav"])
    assert len(results) == len(names)
