"""Recordings in one file are one sound, at the rate and with the channels of the first."""

import numpy as np
import pytest
import soxr

from earmark.audio.chained import Part, chained_source
from earmark.audio.source import Excerpt


def part(sound, sample_rate, *, is_length_known=True):
    def read(first, last):
        for start in range(first, len(sound) if last is None else min(last, len(sound)), 1000):
            stop = min(start + 1000, len(sound) if last is None else last)
            yield sound[start:stop]

    length = len(sound) if is_length_known else None
    return Part(sample_rate, sound.shape[1], length, read, "TEST")


def read(parts, start=0.0, end=None):
    blocks = list(chained_source(parts).blocks(Excerpt(start, end)))
    return np.concatenate(blocks)


@pytest.mark.parametrize("known", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize(
    ("start", "end"), [(0.0, None), (0.2, 0.4), (0.9, 1.7), (1.0, None), (1.3, 1.4), (1.9, 9.0)]
)
def test_excerpts_lie_anywhere_in_the_chain(tones, known, start, end):
    sounds = [tones(1, 8000), tones(1, 8000, seed=1)]
    parts = [
        part(sound, 8000, is_length_known=is_known)
        for sound, is_known in zip(sounds, known, strict=True)
    ]
    expected = np.concatenate(sounds)[
        round(8000 * start) : None if end is None else round(8000 * end)
    ]
    np.testing.assert_array_equal(read(parts, start, end), expected)


def test_another_rate_is_converted(tones):
    first, second = tones(1, 16_000), tones(2, 44_100, seed=1)
    parts = [part(first, 16_000), part(second, 44_100), part(first, 16_000)]
    expected = np.concatenate([first, soxr.resample(second, 44_100, 16_000), first])
    np.testing.assert_allclose(read(parts), expected, atol=1e-5)
    np.testing.assert_allclose(read(parts, 1.4, 3.2), expected[22_400:51_200], atol=1e-5)
    (note,) = chained_source(parts).notes
    assert note.kind == "rate_change"
    assert "1.00 s" in note.text


def test_other_channels_are_averaged(tones):
    mono, stereo = tones(1, 8000), tones(1, 8000, channels=2)
    (note,) = chained_source([part(stereo, 8000), part(mono, 8000)]).notes
    assert note.kind == "channel_change"
    np.testing.assert_array_equal(
        read([part(stereo, 8000), part(mono, 8000)])[8000:], np.repeat(mono, 2, axis=1)
    )
    np.testing.assert_allclose(
        read([part(mono, 8000), part(stereo, 8000)])[8000:], stereo.mean(axis=1, keepdims=True)
    )


def test_equal_recordings_are_noted_as_joined(tones):
    one = part(tones(1, 8000), 8000)
    (note,) = chained_source([one, one]).notes
    assert note.kind == "joined"
    assert chained_source([one]).notes == []
