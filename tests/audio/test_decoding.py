"""What an open file reports about itself."""

import numpy as np
import pytest
import soundfile

from earmark.audio.decoding import open_source
from earmark.errors import AudioError


def write(path, **options):
    soundfile.write(path, np.zeros((16_000, 2)), 16_000, **options)
    return path


def test_a_source_has_the_properties_of_its_file(tmp_path):
    with open_source(write(tmp_path / "a.wav", subtype="PCM_24")) as source:
        assert (source.sample_rate, source.channels) == (16_000, 2)
        assert source.codec == "WAV PCM_24"
        assert source.notes == []


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *((f"a.{suffix}", None) for suffix in ("wav", "flac", "ogg", "mp3")),
        *(("a.m4a", "aac"), ("a.webm", "libopus"), ("a.aac", "aac")),
    ],
)
def test_the_length_is_known_without_decoding(tmp_path, encode_track, noise, name, codec):
    samples = np.tile(noise(), (6, 1))
    if codec is None:
        soundfile.write(tmp_path / name, samples, 48_000)
    else:
        encode_track(tmp_path / name, samples, codec)
    with open_source(tmp_path / name) as source:
        assert source.seconds == pytest.approx(2.0, abs=0.1)


def test_a_length_that_no_header_declares_is_not_guessed(tmp_path, noise):
    soundfile.write(tmp_path / "a.flac", noise(), 16_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    # The number of samples is in the last 36 bits before the MD5 sum of the first block.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    with open_source(tmp_path / "a.flac") as source:
        assert source.seconds is None


def test_an_extension_that_does_not_fit_the_content_is_reported(tmp_path):
    with open_source(write(tmp_path / "a.wav", format="FLAC")) as source:
        assert source.codec == "FLAC PCM_16"
        (note,) = source.notes
        assert note.kind == "header"
        assert "FLAC" in note.text


def test_a_header_whose_fields_contradict_one_another_is_reported(tmp_path):
    path = write(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    content[28:32] = (8000).to_bytes(4, "little")
    path.write_bytes(content)
    with open_source(path) as source:
        (note,) = source.notes
        assert "8000" in note.text
        assert "64000" in note.text


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match=r"a\.wav") as caught, open_source(tmp_path / "a.wav"):
        pass
    assert caught.value.fault == "missing"
