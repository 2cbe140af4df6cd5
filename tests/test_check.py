"""The audit finds what is unreadable, silent or there twice, and tells how bad it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audio import Excerpt
from earmark.check import SILENT_PEAK, check
from earmark.manifest import Manifest, Recording, read_manifest


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    # FLAC and WAV round floating point to 16 bits in different ways.
    soundfile.write(path, np.round(samples * 32_767).astype(np.int16), 16_000)
    return path


def recording(path, label="x", split=None, group=None, **others):
    return Recording(path, path.name, (label,), group or path.name, split=split, **others)


def audit(*recordings):
    return check(Manifest(recordings[0].path.parent, recordings, ("x", "y")))


@pytest.fixture
def twins(tmp_path, rng):
    """A FLAC and a WAV of one sound."""
    samples = 0.1 * rng.standard_normal(16_000)
    return [write(tmp_path / name, samples) for name in ("one.flac", "two.wav")]


def test_sound_data_have_no_findings(sound_folder):
    found = check(read_manifest(sound_folder))
    assert (found.num_files, found.num_errors, found.findings) == (24, 0, ())


@pytest.mark.parametrize("num_workers", [1, 3])
def test_files_that_cannot_be_read_are_errors_and_the_others_are_heard(sound_folder, num_workers):
    broken = sound_folder / "training" / "music" / "music_2.wav"
    broken.write_bytes(b"")
    found = check(read_manifest(sound_folder), num_workers=num_workers)
    assert found.num_errors == 1
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("unreadable", "error")
    assert finding.paths == ("training/music/music_2.wav",)
    assert f"{broken}: the file is empty" in finding.message


@pytest.mark.parametrize(
    ("peak", "message"),
    [(0.0, "silent, every sample is zero"), (0.5 * SILENT_PEAK, "silent, its peak is -66 dB")],
)
def test_silent_recordings_are_warnings_and_not_each_others_duplicates(tmp_path, peak, message):
    samples = np.zeros(16_000)
    samples[8000] = -peak
    paths = [write(tmp_path / name, samples) for name in ("a.wav", "b.wav")]
    found = audit(*map(recording, paths))
    assert [one.kind for one in found.findings] == ["silent", "silent"]
    assert {one.severity for one in found.findings} == {"warning"}
    assert message in found.findings[0].message


def test_a_quiet_recording_is_not_silent(tmp_path):
    samples = np.zeros(16_000)
    samples[8000] = 2 * SILENT_PEAK
    assert audit(recording(write(tmp_path / "a.wav", samples))).findings == ()


@pytest.mark.parametrize(
    ("first", "second", "severity", "message"),
    [
        ({"label": "x"}, {"label": "y"}, "error", "has different labels: one.flac, two.wav"),
        ({"split": "train"}, {"split": "test"}, "error", "is in different splits: one.flac, two"),
        ({"group": "g"}, {"group": "h"}, "error", "is in different groups: one.flac, two.wav"),
        ({"group": "g"}, {"group": "g"}, "warning", "is there 2 times: one.flac, two.wav"),
        ({"split": "test"}, {"split": "test"}, "warning", "is there 2 times"),
        ({"split": "train"}, {"split": "train"}, "error", "is in different groups: one.flac, two"),
        ({"split": "train", "group": "g"}, {"split": "test", "group": "g"}, "error", "splits: one"),
        ({"label": "x", "split": "train"}, {"label": "y", "split": "test"}, "error", "labels: one"),
    ],
)
def test_the_same_sound_twice_is_found_whatever_its_format(twins, first, second, severity, message):
    one, two = (
        recording(path, **known) for path, known in zip(twins, (first, second), strict=True)
    )
    (finding,) = audit(one, two).findings
    assert (finding.kind, finding.severity) == ("duplicate", severity)
    assert finding.paths == ("one.flac", "two.wav")
    assert message in finding.message


def test_copies_in_groups_that_no_split_will_part_are_a_warning(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=name == "c") for name in "abc"]
    splits = ("train", "train", "validation")
    (finding,) = audit(
        *(recording(path, split=split) for path, split in zip(paths, splits, strict=True))
    ).findings
    assert (finding.severity, finding.paths) == ("warning", ("a.wav", "b.wav"))


def test_stretches_that_overlap_are_no_duplicates(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 3.0, kind="noise")
    stretches = [
        replace(recording(path, group="a"), name=f"a{start}", excerpt=Excerpt(start, start + 2))
        for start in (0.0, 1.0)
    ]
    assert audit(*stretches).findings == ()


def test_all_copies_are_in_one_finding(tmp_path, write_clip):
    paths = [write_clip(tmp_path / f"{name}.wav", seed=3) for name in "abc"]
    paths.append(write_clip(tmp_path / "d.wav", seed=4))
    (finding,) = audit(*(recording(path, group="g") for path in paths)).findings
    assert finding.paths == ("a.wav", "b.wav", "c.wav")


def test_nearly_the_same_sound_is_no_duplicate(tmp_path, rng):
    samples = 0.1 * rng.standard_normal(16_000)
    longer = np.append(samples, 0.5)
    paths = [write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", longer)]
    assert audit(*map(recording, paths)).findings == ()


def test_only_the_stretch_of_a_recording_is_heard(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(16_000)
    path = write(tmp_path / "a.wav", np.concatenate([noise, noise, np.zeros(16_000)]))
    seconds = [
        replace(recording(path, group="a"), name=f"a{start}", excerpt=Excerpt(start, start + 1))
        for start in (0.0, 1.0, 2.0)
    ]
    found = audit(*seconds)
    assert [(one.kind, one.paths) for one in found.findings] == [
        ("silent", ("a2.0",)),
        ("duplicate", ("a0.0", "a1.0")),
    ]


def test_the_audit_as_json_counts_errors_and_warnings(tmp_path, twins):
    silent = write(tmp_path / "silent.wav", np.zeros(16_000))
    one, two = (recording(path, label) for path, label in zip(twins, "xy", strict=True))
    found = audit(one, two, recording(silent), recording(tmp_path / "missing.wav"))
    document = json.loads(json.dumps(found.to_dict()))
    assert {name: document[name] for name in ("num_files", "num_errors", "num_warnings")} == {
        "num_files": 4,
        "num_errors": 2,
        "num_warnings": 1,
    }
    kinds = [(one["kind"], one["severity"], one["paths"]) for one in document["findings"]]
    assert kinds == [
        ("silent", "warning", ["silent.wav"]),
        ("unreadable", "error", ["missing.wav"]),
        ("duplicate", "error", ["one.flac", "two.wav"]),
    ]
    assert all(one["message"] for one in document["findings"])
