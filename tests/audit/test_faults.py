"""Faults of single recordings."""

import numpy as np
import pytest
import soundfile

from earmark.audit.audit import check
from earmark.config import Config
from earmark.data.signals.signal import SILENT_PEAK


@pytest.mark.parametrize(("peak", "level"), [(0.0, "zero"), (0.5 * SILENT_PEAK, "-66 dBFS")])
def test_silent_recordings_are_warnings_and_not_duplicates(
    tmp_path, peak, level, write, recording, audit
):
    samples = np.zeros(16_000)
    samples[8000] = -peak
    paths = [write(tmp_path / name, samples) for name in ("a.wav", "b.wav")]
    found = audit(*map(recording, paths))
    assert [one.kind for one in found.findings] == ["silent", "silent"]
    assert {one.severity for one in found.findings} == {"warning"}
    assert level in found.findings[0].message


def test_a_quiet_recording_is_not_silent(tmp_path, write, recording, audit):
    samples = np.zeros(16_000)
    samples[8000] = 2 * SILENT_PEAK
    assert audit(recording(write(tmp_path / "a.wav", samples))).findings == ()


def test_a_dc_offset_a_dead_channel_and_clipping_are_warnings(
    tmp_path, rng, write, recording, audit, noise
):
    one, two, three = (noise(channels) for channels in (1, 2, 1))
    two[:, 1] = 0
    three = np.clip(np.convolve(three[:, 0], np.ones(16)), -0.3, 0.3)
    for name, samples in (("a", one + 0.1), ("b", two), ("c", three)):
        write(tmp_path / f"{name}.wav", samples)
    found = audit(*(recording(tmp_path / f"{name}.wav") for name in "abc"))
    assert [(one.kind, one.paths, one.severity) for one in found.findings] == [
        ("dc_offset", ("a.wav",), "warning"),
        ("dead_channel", ("b.wav",), "warning"),
        ("clipped", ("c.wav",), "warning"),
    ]


def test_an_inconsistent_header_is_a_warning(tmp_path, rng, write, recording, audit, noise):
    path = write(tmp_path / "a.wav", noise())
    content = bytearray(path.read_bytes())
    content[24:28] = (8000).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    soundfile.write(tmp_path / "b.wav", noise(), 16_000, format="FLAC")
    found = audit(recording(path), recording(tmp_path / "b.wav"))
    assert [one.kind for one in found.findings] == ["header", "header"]
    for finding, cause in zip(found.findings, ("32000", "FLAC"), strict=True):
        assert cause in finding.message


def test_channels_that_cancel_are_named_instead_of_silence(tmp_path, recording, audit, noise):
    left = noise()
    soundfile.write(tmp_path / "a.wav", np.hstack([left, -left]), 16_000)
    found = audit(recording(tmp_path / "a.wav"))
    assert [(one.kind, one.severity) for one in found.findings] == [("out_of_phase", "warning")]


def test_small_integers_in_32_bits_are_named_instead_of_silence(tmp_path, recording, audit, noise):
    samples = (noise() * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int32)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="PCM_32")
    found = audit(recording(tmp_path / "a.wav"))
    assert [(one.kind, one.severity) for one in found.findings] == [("unused_bits", "warning")]


def test_samples_on_the_scale_of_integers_are_unreadable(tmp_path, recording, audit, noise):
    soundfile.write(tmp_path / "a.wav", 32_767 * noise(), 16_000, subtype="FLOAT")
    found = audit(recording(tmp_path / "a.wav"))
    assert [(one.kind, one.cause) for one in found.findings] == [("unreadable", "scale")]


def test_recordings_far_above_the_band_are_one_note(tmp_path, recording, audit, rng):
    for name in "ab":
        wave = 0.3 * np.sin(np.arange(96_000) * 0.01 * (1 + ord(name))) + rng.normal(
            0, 1e-3, 96_000
        )
        soundfile.write(tmp_path / f"{name}.wav", wave, 384_000)
    found = audit(recording(tmp_path / "a.wav"), recording(tmp_path / "b.wav"))
    [note] = [one for one in found.notes if one.kind == "bandwidth"]
    assert note.paths == ("a.wav", "b.wav")
    assert "192 kHz" in note.message
    [warning] = [one for one in found.findings if one.kind == "bandwidth"]
    assert warning.paths == ("a.wav", "b.wav")


def test_an_offset_or_low_sound_in_a_wide_band_is_no_warning(tmp_path, recording, audit):
    wave = 0.3 * np.sin(np.arange(96_000) * 0.005) + 0.01
    soundfile.write(tmp_path / "a.wav", wave, 384_000)
    found = audit(recording(tmp_path / "a.wav"))
    assert found.findings == ()
    assert "bandwidth" in [one.kind for one in found.notes]


def test_a_chosen_channel_does_not_cancel_and_must_be_there(tmp_path, recording, data, noise):
    left = noise()
    soundfile.write(tmp_path / "a.wav", np.hstack([left, -left]), 16_000)
    soundfile.write(tmp_path / "b.wav", noise(), 16_000)
    manifest = data([recording(tmp_path / "a.wav"), recording(tmp_path / "b.wav")])
    config = Config(features={"channel": 2})
    found = check(manifest, config, store=tmp_path / "store").findings
    assert [(one.kind, one.paths, one.cause) for one in found if one.paths] == [
        ("unreadable", ("b.wav",), "channel")
    ]


def test_faults_of_containers_are_findings(
    tmp_path, rng, write, recording, audit, noise, encode_track, remux
):
    sounds = [
        encode_track(tmp_path / f"{n}.webm", noise(), "libopus", rate=16_000) for n in range(5)
    ]
    gap = remux([sounds[0]], tmp_path / "gap.webm", place=lambda at: at + 3 * (at > 0.5))
    two = remux(sounds[1:3], tmp_path / "two.mkv")
    lost, cut = tmp_path / "lost.webm", tmp_path / "cut.webm"
    content = sounds[3].read_bytes()
    lost.write_bytes(content[:4000] + bytes(600) + content[4600:])
    cut.write_bytes(sounds[4].read_bytes()[:6000])
    found = audit(*map(recording, (gap, two, lost, cut)))
    assert {(one.kind, one.cause, one.severity, one.paths) for one in found.findings} == {
        ("gap", None, "warning", ("gap.webm",)),
        ("lost_sound", None, "warning", ("lost.webm",)),
        ("unreadable", "truncated", "error", ("cut.webm",)),
    }
    assert ("other_tracks", ("two.mkv",)) in [(one.kind, one.paths) for one in found.notes]


def test_a_file_that_was_not_closed_and_joined_recordings_are_noted(
    tmp_path, write, recording, audit, noise
):
    one = write(tmp_path / "a.wav", noise())
    content = one.read_bytes()
    (tmp_path / "b.wav").write_bytes(content[:40] + b"\xff" * 4 + content[44:] + bytes(2))
    two = write(tmp_path / "c.wav", noise()).read_bytes()
    (tmp_path / "d.wav").write_bytes(content + two)
    stream = tmp_path / "e.ogg"
    soundfile.write(stream, noise(), 16_000)
    stream.write_bytes(stream.read_bytes()[:-50])
    found = audit(*(recording(tmp_path / name) for name in ("b.wav", "d.wav", "e.ogg")))
    kinds = {(one.kind, one.paths) for one in found.notes}
    assert kinds >= {
        ("unclosed", ("b.wav",)),
        ("joined", ("d.wav",)),
        ("unclosed", ("e.ogg",)),
    }
    assert not {"unclosed", "joined"} & {one.kind for one in found.findings}


def test_a_change_of_rate_or_channels_is_a_warning_that_names_the_second(
    tmp_path, recording, audit, noise
):
    content = b""
    for rate, channels in ((16_000, 1), (22_050, 2)):
        soundfile.write(tmp_path / "part.wav", noise(channels), rate)
        content += (tmp_path / "part.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content)
    found = audit(recording(tmp_path / "a.wav"))
    changes = {one.kind: one.message for one in found.findings}
    seconds = len(noise()) / 16_000
    for kind in ("rate_change", "channel_change"):
        assert f"{seconds:.2f} s" in changes[kind]


def test_a_label_of_silence_is_a_note_and_other_silence_a_warning(
    tmp_path, write, recording, audit, noise
):
    silent = [
        recording(write(tmp_path / f"silence{n}.wav", np.zeros(16_000 + n)), "silence")
        for n in range(3)
    ]
    faulty = recording(write(tmp_path / "dead.wav", np.zeros(20_000)), "dog")
    sounds = [recording(write(tmp_path / f"dog{n}.wav", noise()), "dog") for n in range(3)]
    found = audit(*silent, faulty, *sounds)
    assert [one.paths for one in found.findings if one.kind == "silent"] == [(faulty.name,)]
    assert [len(one.paths) for one in found.notes if one.kind == "silent"] == [3]
