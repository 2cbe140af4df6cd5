import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.effects import (
    SPEECH_LEVELS_DB,
    add_noise,
    apply_gain,
    babble,
    band_limit,
    cut_excerpt,
    fit_length,
    overdrive,
    power_ratio,
    recode,
    speech_shaped_noise,
    white_noise,
)

RATE = 16_000
finite_db = st.floats(-40, 40)


def power(samples):
    return float(np.mean(np.square(samples, dtype=np.float64)))


def band_power(samples, low_hz, high_hz, rate=RATE):
    frequencies, density = scipy.signal.welch(samples.astype(np.float64), rate, nperseg=4096)
    chosen = (frequencies >= low_hz) & (frequencies < high_hz)
    return float(density[chosen].sum() * (frequencies[1] - frequencies[0]))


@pytest.fixture
def sound(rng):
    return white_noise(RATE * 4, rng) * np.float32(0.1)


@given(finite_db)
def test_a_gain_changes_the_level_by_as_many_decibels(gain_db):
    sound = white_noise(1000, np.random.default_rng(0))
    changed = 10 * np.log10(power(apply_gain(sound, gain_db)) / power(sound))
    assert changed == pytest.approx(gain_db, abs=1e-4)


def test_an_overdriven_sound_ends_at_full_scale(sound):
    driven = overdrive(sound, 20.0)
    louder = apply_gain(sound, 20.0)
    assert np.abs(driven).max() == 1.0
    inside = np.abs(louder) < 1
    assert np.array_equal(driven[inside], louder[inside])
    assert 0.1 < inside.mean() < 0.9


@given(finite_db, st.floats(1e-3, 1e3))
def test_noise_has_the_given_ratio(snr_db, level):
    rng = np.random.default_rng(0)
    sound = white_noise(8000, rng)
    mixed = add_noise(sound, white_noise(8000, rng) * np.float32(level), snr_db)
    assert 10 * np.log10(power_ratio(sound, mixed - sound)) == pytest.approx(snr_db, abs=0.05)


def test_silence_stays_silent_and_silent_noise_adds_nothing(sound):
    silence = np.zeros_like(sound)
    assert np.array_equal(add_noise(silence, sound, 0.0), silence)
    assert np.array_equal(add_noise(sound, silence, 0.0), sound)


def test_a_band_limit_leaves_what_is_below_it_and_nothing_above(sound):
    narrow = band_limit(sound, RATE, 4000)
    assert len(narrow) == len(sound)
    assert band_power(narrow, 100, 3500) == pytest.approx(band_power(sound, 100, 3500), rel=0.01)
    assert band_power(narrow, 4100, 8000) < 1e-8 * band_power(sound, 4100, 8000)


def test_a_limit_beyond_the_sound_changes_nothing(sound):
    assert band_limit(sound, RATE, 8000) is sound


@pytest.mark.parametrize("rate", [RATE, 22_050, 44_100])
def test_speech_shaped_noise_has_the_spectrum_of_speech(rate, rng):
    noise = speech_shaped_noise(rate * 30, rate, rng)
    assert noise.dtype == np.float32
    thirds = [one for one in SPEECH_LEVELS_DB if 200 <= one <= 6300]
    measured = [
        10 * np.log10(band_power(noise, one * 2 ** (-1 / 6), one * 2 ** (1 / 6), rate))
        for one in thirds
    ]
    published = np.array([SPEECH_LEVELS_DB[one] for one in thirds])
    difference = measured - published
    assert np.abs(difference - difference.mean()).max() < 1.5


def test_noise_has_the_given_length(rng):
    for num_samples in (1, 7, 1009, 16_000):
        assert len(speech_shaped_noise(num_samples, RATE, rng)) == num_samples
        assert len(babble([white_noise(500, rng)], num_samples, rng)) == num_samples


def test_every_voice_of_babble_is_equally_loud(rng):
    time = np.arange(RATE) / RATE
    voices = [
        (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
        for level, pitch in ((0.01, 500), (0.9, 2000))
    ]
    mixed = babble([*voices, np.zeros(10, np.float32)], RATE * 4, rng)
    low, high = band_power(mixed, 400, 600), band_power(mixed, 1900, 2100)
    assert low == pytest.approx(high, rel=0.05)
    assert power(mixed) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(("codec", "bit_rate"), [("mp3", 48_000), ("opus", 24_000)])
def test_a_codec_keeps_length_place_and_most_of_the_sound(codec, bit_rate):
    time = np.arange(RATE * 2) / RATE
    # A chirp, so that a shift in time would show.
    sound = (0.3 * scipy.signal.chirp(time, 200, 2, 3000)).astype(np.float32)
    coded = recode(sound, RATE, codec, bit_rate)
    assert len(coded) == len(sound)
    assert np.corrcoef(sound, coded)[0, 1] > 0.9
    assert not np.allclose(sound, coded, atol=1e-3)


@given(st.integers(1, 3000), st.floats(0.01, 0.2))
def test_an_excerpt_is_a_slice_of_the_sound(num_samples, seconds):
    sound = np.arange(num_samples, dtype=np.float32)
    cut = cut_excerpt(sound, RATE, seconds, np.random.default_rng(num_samples))
    assert len(cut) == min(num_samples, round(seconds * RATE))
    assert np.array_equal(cut, sound[int(cut[0]) : int(cut[0]) + len(cut)])


def test_excerpts_come_from_everywhere():
    sound = np.arange(100, dtype=np.float32)
    starts = {
        int(cut_excerpt(sound, 10, 9.8, np.random.default_rng(seed))[0]) for seed in range(50)
    }
    assert starts == {0, 1, 2}


def test_lengths_are_fitted():
    sound = np.ones(3, np.float32)
    assert fit_length(sound, 2).tolist() == [1, 1]
    assert fit_length(sound, 5).tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("codec", ["mp3", "opus"])
@given(num_samples=st.integers(RATE // 10, 3 * RATE), rate=st.sampled_from([8_000, 16_000, 44_100]))
@settings(max_examples=20)
def test_a_codec_takes_sound_of_any_length(codec, num_samples, rate):
    sound = 0.1 * white_noise(num_samples, np.random.default_rng(0))
    changed = recode(sound, rate, codec, 16_000)
    assert len(changed) == num_samples
    assert power(changed) > 0.01 * power(sound)
