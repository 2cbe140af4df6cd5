"""The fingerprint of a data set."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audio.source import Excerpt
from earmark.data import fingerprint
from earmark.data.fingerprint import DataFingerprint, Quantiles, fingerprint_data
from earmark.data.manifest import read_manifest
from earmark.data.signals import headers
from earmark.data.signals.measure import measure_recordings
from earmark.system.progress import SILENT
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


@pytest.fixture
def bursts(tmp_path):
    """Two clips of 2 s at 44.1 kHz: a burst of 3 kHz of 0.5 s and of 1 s, the rest 40 dB lower."""
    seconds = np.arange(88_200) / 44_100
    tone = np.sin(2 * np.pi * 3000 * seconds)
    paths = []
    for length in (0.5, 1.0):
        paths.append(tmp_path / f"{length}.wav")
        level = np.where((seconds >= 0.5) & (seconds < 0.5 + length), 0.5, 0.005)
        soundfile.write(paths[-1], level * tone, 44_100)
    return paths


def test_known_clips_have_known_values(tmp_path, bursts, recording, data):
    manifest = data([recording(path, str(n), group="one") for n, path in enumerate(bursts)])
    found = fingerprint_data(manifest, BINARY, tmp_path / "store")
    assert (found.task, found.num_clips, found.num_groups, found.num_measured) == (
        "binary",
        2,
        1,
        2,
    )
    assert found.total_seconds == 4.0
    assert found.sample_rates == {44_100: 2}
    assert found.duration_seconds == Quantiles(2.0, 2.0, 2.0)
    assert found.bandwidth_hz.median == pytest.approx(3000, abs=90)
    # The steps of the level reach further than the tone.
    assert 3000 < found.reach_hz.median < 10_000
    assert found.active_fraction.median == pytest.approx(0.375, abs=0.01)
    assert found.event_seconds.median == pytest.approx(0.75, abs=0.01)
    # A sine of amplitude 0.5 for 0.5 s and for 1 s of 2 s.
    assert found.level_db.median == pytest.approx(-9.03 - (6.02 + 3.01) / 2, abs=0.05)
    stats = found.labels["0"]
    assert (stats.num_clips, stats.num_groups, stats.seconds) == (1, 1, 2.0)


def test_it_is_the_same_as_json(tmp_path, bursts, recording, data):
    labels = ("low", "median", "high")
    manifest = data([recording(bursts[n % 2], label) for n, label in enumerate(labels)])
    found = fingerprint_data(manifest, MULTI_CLASS, tmp_path / "store")
    assert DataFingerprint.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.summary()


def test_a_warm_store_changes_nothing_and_is_not_decoded_again(sound_folder, tmp_path, monkeypatch):
    manifest = read_manifest(sound_folder).without_test
    cold = fingerprint_data(manifest, BINARY, tmp_path / "store")
    measure_recordings(read_manifest(sound_folder), tmp_path / "checked", SILENT)
    monkeypatch.setattr("earmark.data.signals.measure.Job", pytest.fail)
    assert fingerprint_data(manifest, BINARY, tmp_path / "checked") == cold
    monkeypatch.setattr("earmark.data.signals.headers.Job", pytest.fail)
    for store in ("checked", "store"):
        assert fingerprint_data(manifest, BINARY, tmp_path / store) == cold


def test_it_serves_the_check(sound_folder, tmp_path, monkeypatch):
    manifest = read_manifest(sound_folder)
    found = fingerprint_data(manifest, BINARY, tmp_path / "store")
    assert found.num_measured == len(manifest) == 24
    monkeypatch.setattr("earmark.data.signals.measure.Job", pytest.fail)
    assert len(measure_recordings(manifest, tmp_path / "store", SILENT)) == 24


def test_the_test_split_is_not_read(sound_folder, tmp_path):
    manifest = read_manifest(sound_folder)
    with_test = fingerprint_data(manifest, BINARY, tmp_path / "store")
    for one in manifest.split("test"):
        one.path.unlink()
    without = fingerprint_data(manifest.without_test, BINARY, tmp_path / "store")
    assert (with_test.num_clips, without.num_clips, without.num_measured) == (24, 18, 18)


def test_order_and_names_of_files_do_not_matter(sound_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "MAX_MEASURED", 5)
    manifest = read_manifest(sound_folder)
    found = fingerprint_data(manifest, BINARY, tmp_path / "store")
    assert found.num_measured == 5
    shuffled = list(manifest.recordings)
    random.Random(0).shuffle(shuffled)
    renamed = [replace(one, name=f"{n}.wav") for n, one in enumerate(shuffled)]
    other = replace(manifest, recordings=tuple(renamed))
    assert fingerprint_data(other, BINARY, tmp_path / "other") == replace(found, num_groups=24)


def test_the_sample_is_bounded_and_has_every_label(
    tmp_path, write_clip, recording, data, monkeypatch
):
    labels = ["often"] * 12 + ["seldom"]
    paths = [write_clip(tmp_path / f"{n}.wav", 1 + n / 8, seed=n) for n in range(13)]
    manifest = data([recording(*one) for one in zip(paths, labels, strict=True)])
    measured = []

    def measure(sample, *others):
        measured.append([one.labels[0] for one in sample.recordings])
        return measure_recordings(sample, *others)

    monkeypatch.setattr(fingerprint, "measure_recordings", measure)
    monkeypatch.setattr(fingerprint, "MAX_MEASURED_SECONDS", 8.0)
    found = fingerprint_data(manifest, BINARY, tmp_path / "store")
    assert "seldom" in measured[0][:2]
    assert 3 <= found.num_measured <= 8
    assert found.num_clips == 13
    assert found.total_seconds == pytest.approx(sum(1 + n / 8 for n in range(13)))


def test_excerpts_are_clips_with_a_duration_of_their_own(tmp_path, bursts, recording, data):
    excerpts = [Excerpt(0.0, 0.5), Excerpt(0.5, 1.0), Excerpt(1.5)]
    manifest = data(
        [replace(recording(bursts[0], "x"), name=f"{one}", excerpt=one) for one in excerpts]
    )
    found = fingerprint_data(manifest, MULTI_CLASS, tmp_path / "store")
    assert (found.num_clips, found.num_measured, found.total_seconds) == (3, 3, 1.5)
    assert found.duration_seconds == Quantiles(0.5, 0.5, 0.5)
    assert found.active_fraction.median == 1.0


def test_of_long_recordings_an_excerpt_is_measured(
    tmp_path, write_clip, recording, data, monkeypatch
):
    monkeypatch.setattr(fingerprint, "EXCERPT_SECONDS", 1)
    path = write_clip(tmp_path / "long.wav", 5.0)
    samples, rate = soundfile.read(path)
    # Only the seconds from 2 to 3 are loud.
    loud = np.where(np.arange(len(samples)) // rate == 2, 1.0, 0.001)
    soundfile.write(path, samples * loud, rate)
    manifest = data([recording(path)])
    found = fingerprint_data(manifest, MULTI_CLASS, tmp_path / "store")
    assert found.duration_seconds.median == 5.0
    assert found.active_fraction.median == 1.0
    assert found.level_db.median > -20


def test_files_that_cannot_be_read_are_left_out(
    tmp_path, write_clip, recording, data, hostile_decoder
):
    good = write_clip(tmp_path / "good.wav")
    crash = write_clip(tmp_path / "crash.wav", seed=1)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").touch()
    cut = write_clip(tmp_path / "cut.flac", 5.0, kind="noise", seed=2)
    cut.write_bytes(cut.read_bytes()[:-3000])
    names = ("text.wav", "empty.wav", "missing.wav")
    manifest = data([recording(one) for one in (good, crash, cut, *(tmp_path / n for n in names))])
    found = fingerprint_data(manifest, MULTI_CLASS, tmp_path / "store")
    assert (found.num_clips, found.num_measured, found.num_groups) == (1, 1, 1)
    assert found.total_seconds == 1.0


def test_nothing_that_can_be_read_is_no_error(tmp_path, recording, data):
    found = fingerprint_data(data([recording(tmp_path / "no.wav")]), MULTI_CLASS, tmp_path / "s")
    assert (found.num_clips, found.num_measured) == (0, 0)
    assert found.bandwidth_hz == Quantiles(0.0, 0.0, 0.0)
    assert found.labels["x"].num_clips == 0
    assert found.summary()


def test_a_silent_clip_has_no_events(tmp_path, write_clip, bursts, recording, data):
    silent = write_clip(tmp_path / "silent.wav", kind="silence")
    found = fingerprint_data(
        data([recording(silent), recording(bursts[0])]), BINARY, tmp_path / "s"
    )
    assert found.active_fraction.low < 0.02
    assert found.event_seconds.low == found.event_seconds.high == pytest.approx(0.5, abs=0.01)


def test_a_clip_of_several_labels_counts_for_each(tmp_path, bursts, recording, data):
    both = replace(recording(bursts[0], "a"), labels=("a", "b"))
    none = replace(recording(bursts[1], "a"), labels=())
    found = fingerprint_data(data([both, none]), MULTI_LABEL, tmp_path / "store")
    assert {label: one.num_clips for label, one in found.labels.items()} == {"a": 1, "b": 1}
    assert (found.num_clips, found.num_measured) == (2, 2)


def test_a_length_that_no_header_tells_is_measured_or_estimated(
    tmp_path, write_clip, recording, data, monkeypatch
):
    paths = [write_clip(tmp_path / f"{n}.wav", 2.0, seed=n) for n in range(3)]
    monkeypatch.setattr(headers, "_read", _read_no_length)
    monkeypatch.setattr(fingerprint, "MAX_MEASURED", 1)
    found = fingerprint_data(data([recording(one) for one in paths]), MULTI_CLASS, tmp_path / "s")
    assert (found.num_measured, found.total_seconds) == (1, 6.0)


def _read_no_length(path, send):
    return headers.Header(16_000, None)
