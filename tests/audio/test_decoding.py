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
