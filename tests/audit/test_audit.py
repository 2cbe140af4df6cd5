"""The audit of a data set as a whole."""

import json
from dataclasses import replace

import numpy as np
import soundfile

from earmark.audio.reading import Excerpt
from earmark.audit.audit import check
from earmark.data.manifest import read_manifest


def test_faultless_data_have_no_findings(sound_folder):
    found = check(read_manifest(sound_folder))
    assert (found.num_files, found.num_errors, found.findings) == (24, 0, ())


def test_unreadable_files_are_errors_and_the_others_are_measured(sound_folder):
    broken = sound_folder / "training" / "music" / "music_2.wav"
    broken.write_bytes(b"")
    found = check(str(sound_folder))
    assert found.num_errors == 1
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("unreadable", "error")
    assert finding.paths == ("training/music/music_2.wav",)
    assert str(broken) in finding.message
    assert finding.cause == "empty"


def test_the_audit_as_json_counts_errors_and_warnings(tmp_path, twins, write, recording, audit):
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
        ("unreadable", "error", ["missing.wav"]),
        ("silent", "warning", ["silent.wav"]),
        ("duplicate", "error", ["one.flac", "two.wav"]),
    ]
    assert all(one["message"] for one in document["findings"])


def test_findings_are_in_the_order_of_the_data_whatever_is_cached(
    tmp_path, rng, write, recording, data
):
    noise = 0.1 * rng.standard_normal(80_000)
    for name, sound in (("a", noise[30_000:50_000]), ("b", noise), ("c", np.zeros(16_000))):
        write(tmp_path / f"{name}.wav", sound)
    recordings = [recording(tmp_path / f"{name}.wav") for name in "abc"]
    check(data(recordings[1:]), store=tmp_path / "primed")
    found = [check(data(recordings), store=tmp_path / one) for one in ("primed", "fresh")]
    assert found[0] == found[1]


def test_only_the_excerpt_of_a_recording_is_measured(tmp_path, rng, write, recording, audit):
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


def test_an_unreadable_file_has_a_cause(tmp_path, rng, write, recording, audit, noise):
    cut = write(tmp_path / "cut.wav", noise())
    cut.write_bytes(cut.read_bytes()[:10_000])
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_bytes(b"no sound" * 100)
    write(tmp_path / "short.wav", noise()[:400])
    nan = noise()
    nan[5000] = np.nan
    soundfile.write(tmp_path / "nan.wav", nan, 16_000, subtype="FLOAT")
    names = ("cut", "empty", "nan", "short", "text")
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in names))
    causes = ["truncated", "empty", "not_finite", "short", "undecodable"]
    assert [one.cause for one in found.findings] == causes
    assert {one.kind for one in found.findings} == {"unreadable"}
