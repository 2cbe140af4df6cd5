"""Faults of single recordings."""

import numpy as np
import pytest
import soundfile

from earmark.audit.signal import SILENT_PEAK


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
