"""Frames become blocks of one rate and number of channels."""

import av
import numpy as np
import pytest

from earmark.audio.ffmpeg.conversion import Converter


def frame(samples, *, rate=16_000, layout="mono", form="flt"):
    samples = np.asarray(samples, np.float32)
    packed = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", layout)
    packed.sample_rate = rate
    (converted,) = av.AudioResampler(form).resample(packed)
    return converted


@pytest.mark.parametrize("form", ["flt", "fltp", "s32", "dblp"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "7.1", "hexadecagonal"])
def test_samples_are_those_of_the_frame(rng, layout, form):
    channels = av.AudioLayout(layout).nb_channels
    samples = rng.uniform(-1, 1, (500, channels)).astype(np.float32)
    converter = Converter(16_000, channels)
    (block,) = converter.convert(frame(samples, layout=layout, form=form), 0)
    np.testing.assert_allclose(block, samples, atol=1e-6)
    assert not list(converter.notes())


@pytest.mark.parametrize(("first", "second"), [("stereo", "mono"), ("mono", "stereo")])
def test_other_channels_keep_their_mean(rng, first, second):
    channels = av.AudioLayout(first).nb_channels
    converter = Converter(16_000, channels)
    converter.convert(frame(np.zeros((100, channels)), layout=first), 0)
    samples = rng.uniform(-1, 1, (100, av.AudioLayout(second).nb_channels))
    (block,) = converter.convert(frame(samples, layout=second), 16_000)
    assert block.shape == (100, channels)
    np.testing.assert_allclose(block.mean(axis=1), samples.mean(axis=1), atol=1e-6)
    (note,) = converter.notes()
    assert note.kind == "channel_change"
    assert "1.00 s" in note.text


def test_another_rate_is_resampled_until_it_ends():
    converter = Converter(16_000, 1)
    blocks = converter.convert(frame(np.ones(1600)), 0)
    for _ in range(10):
        blocks += converter.convert(frame(np.ones(800), rate=8000), 1600)
    assert converter.is_resampling
    blocks += converter.convert(frame(np.ones(1600)), 17_600)
    assert not converter.is_resampling
    sound = np.concatenate(blocks + converter.flush())
    assert len(sound) == pytest.approx(1600 + 16_000 + 1600, abs=2)
    np.testing.assert_allclose(sound[2000:17_000], 1, atol=1e-3)
    assert [note.kind for note in converter.notes()] == ["rate_change"]
