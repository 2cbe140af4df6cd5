"""Frames beyond the length that a FLAC header declares are read."""

import numpy as np
import pytest
import soundfile

from earmark.audio.decoding import open_source
from earmark.audio.reading import load_audio
from earmark.audio.source import WHOLE


@pytest.fixture(params=[1, 2])
def path(request, tmp_path):
    sound = np.random.default_rng(0).normal(0, 0.1, (60_000, request.param))
    soundfile.write(tmp_path / "a.flac", sound, 16_000)
    return tmp_path / "a.flac"


def declare(path, num_samples):
    content = bytearray(path.read_bytes())
    content[22:26] = num_samples.to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("excerpt", [{}, {"start": 1.3}, {"start": 1.0, "end": 3.0}, {"end": 0.5}])
def test_a_length_that_is_too_small_changes_nothing(path, excerpt):
    expected = load_audio(path, **excerpt).samples
    declare(path, 20_000)
    np.testing.assert_allclose(load_audio(path, **excerpt).samples, expected, atol=1e-6)


@pytest.mark.parametrize(("num_samples", "kinds"), [(60_000, []), (20_000, ["header"])])
def test_it_is_noted(path, num_samples, kinds):
    declare(path, num_samples)
    with open_source(path) as source:
        list(source.blocks(WHOLE))
        assert [note.kind for note in source.notes] == kinds
