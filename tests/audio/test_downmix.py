"""One channel of several, and what is wrong with samples or channels."""

import numpy as np
import pytest
import soundfile

from earmark.audio.decoding import open_source
from earmark.audio.downmix import LOUDEST_SAMPLE, Downmix
from earmark.audio.reading import from_arrays, load_audio, stream_audio
from earmark.audio.source import WHOLE
from earmark.errors import AudioError

RATE = 16_000


def wave(seconds=1.0, level=0.3, pitch_hz=440):
    return (level * np.sin(2 * np.pi * pitch_hz * np.arange(seconds * RATE) / RATE)).astype("f4")


def noted(samples, **options):
    """The kinds of notes on a sound in an array."""
    downmix = Downmix(**options)
    list(from_arrays([samples], RATE, RATE, downmix=downmix))
    return [one.kind for one in downmix.notes]


@pytest.mark.parametrize("factor", [-1.0, -0.98, -0.9, -0.7])
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_channels_that_cancel_are_noted(factor, offset):
    left = wave()
    assert noted(np.stack([left, factor * left], axis=1) + np.float32(offset)) == ["out_of_phase"]


def test_channels_that_cancel_for_most_of_the_time_are_noted():
    left = wave(6.0)
    blocks = [np.stack([left, left], axis=1), *[np.stack([left, -left], axis=1)] * 2]
    downmix = Downmix()
    list(downmix.read("a", blocks, RATE))
    assert [one.kind for one in downmix.notes] == ["out_of_phase"]


def test_two_pairs_of_opposite_channels_are_noted():
    one, two = wave(), wave(pitch_hz=700)
    assert noted(np.stack([one, two, -one, -two], axis=1)) == ["out_of_phase"]


@pytest.mark.parametrize(
    "channels",
    [
        lambda left, rng: [left, left],
        lambda left, rng: [left, rng.normal(0, 0.2, len(left))],
        lambda left, rng: [left, 0 * left],
        lambda left, rng: [left, *[0 * left] * 7],
        lambda left, rng: [left, -0.3 * left],
        lambda left, rng: [0 * left, 0 * left],
        lambda left, rng: [0 * left + 0.1, 0 * left + 0.1],
    ],
)
def test_other_channels_are_not_noted(channels, rng):
    assert noted(np.stack(channels(wave(), rng), axis=1).astype(np.float32)) == []


def test_one_channel_is_read_alone(tmp_path):
    left, right = wave(), wave(pitch_hz=700)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(path, channel=1).samples, left)
    np.testing.assert_array_equal(load_audio(path, channel=2).samples, right)
    np.testing.assert_allclose(load_audio(path).samples, (left + right) / 2, atol=1e-7)


def test_a_channel_that_is_chosen_does_not_cancel():
    left = wave()
    assert noted(np.stack([left, -left], axis=1), channel=1) == []


def test_a_missing_channel_is_named(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, wave(), RATE)
    with pytest.raises(AudioError, match=r"a\.wav") as caught:
        load_audio(path, channel=2)
    assert caught.value.fault == "channel"


def test_samples_without_channels_are_the_chosen_one():
    [mono] = from_arrays([wave()], RATE, RATE, downmix=Downmix(3))
    np.testing.assert_array_equal(mono, wave())


@pytest.mark.parametrize(
    ("scale", "advice"),
    [(127, "128"), (32_767, "32768"), (2**23 - 1, "8388608"), (2**31 - 1, "2147483648")],
)
@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
def test_floating_point_samples_on_the_scale_of_integers_are_refused(
    tmp_path, scale, advice, is_whole, channels
):
    samples = np.stack([wave(level=0.3) * scale] * channels, axis=1)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.rint(samples) if is_whole else samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav") as caught:
        load_audio(path)
    assert caught.value.fault == "scale"
    assert advice in str(caught.value)


def test_the_scale_is_that_of_the_whole_file_where_it_starts_softly(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.concatenate([100 * wave(5.0), 9830 * wave()]), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="32768"):
        load_audio(path)


@pytest.mark.parametrize("level", [8, 60])
def test_soft_sound_of_whole_numbers_is_on_the_scale_of_integers(level):
    with pytest.raises(AudioError) as caught:
        noted(np.rint(wave(level=level)))
    assert caught.value.fault == "scale"


def test_unsigned_integers_are_centred_first():
    with pytest.raises(AudioError, match="subtract 128") as caught:
        noted(np.rint(128 + 100 * wave(level=1.0)))
    assert caught.value.fault == "scale"


@pytest.mark.parametrize("level", [1.5, 4.0, LOUDEST_SAMPLE])
def test_samples_somewhat_over_full_scale_are_sound(level):
    assert noted(wave(level=level)) == []


def test_a_stream_is_refused_at_its_first_block():
    def endless():
        while True:
            yield 1000 * wave()

    with pytest.raises(AudioError) as caught:
        list(from_arrays(endless(), RATE, RATE))
    assert caught.value.fault == "scale"


@pytest.mark.parametrize(("bits", "factor"), [(24, "256"), (16, "65536")])
def test_small_integers_in_the_lower_bits_of_32_are_noted(tmp_path, bits, factor):
    path = tmp_path / "a.wav"
    samples = (wave() * 2 ** (bits - 1)).astype(np.int32)
    soundfile.write(path, samples, RATE, subtype="PCM_32")
    downmix = Downmix()
    list(stream_audio(path, downmix=downmix))
    [note] = downmix.notes
    assert note.kind == "unused_bits"
    assert factor in note.text


@pytest.mark.parametrize(("level", "step"), [(0.3, 1), (2e-3, 2**8)])
def test_other_samples_of_32_bits_are_not_noted(tmp_path, level, step):
    path = tmp_path / "a.wav"
    samples = (wave(level=level) * 2**31 / step).astype(np.int32) * step
    soundfile.write(path, samples, RATE, subtype="PCM_32")
    downmix = Downmix()
    list(stream_audio(path, downmix=downmix))
    assert downmix.notes == []


def test_what_is_noticed_joins_the_notes_of_the_open_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([wave(), -wave()], axis=1), RATE)
    with open_source(path) as source:
        list(Downmix().mono(path, source).blocks(WHOLE))
        assert [one.kind for one in source.notes] == ["out_of_phase"]
