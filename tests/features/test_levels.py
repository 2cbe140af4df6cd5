import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import FeatureConfig
from earmark.features.levels import LOWEST_DB, frame_levels_db, peak_level_db, window_levels_db
from earmark.features.log_mel import LogMel

CONFIGS = [
    FeatureConfig(),
    FeatureConfig(mel_norm="none"),
    FeatureConfig(win_length=640, n_mels=64, n_fft=2048),
    FeatureConfig(sample_rate=8000, mel_scale="htk", n_mels=32),
]


def frames_of(samples, config):
    return LogMel(config)(samples.astype(np.float32)).T.astype(np.float16)


def sine(config, level_db, frequency_hz=1000.0, seconds=0.5):
    time = np.arange(round(seconds * config.sample_rate)) / config.sample_rate
    return np.sqrt(2.0) * 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * time)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("level_db", [-3.0, -30.0, -60.0])
def test_the_level_is_that_of_the_samples(config, level_db, rng):
    inner = slice(4, -4)
    tone = frame_levels_db(frames_of(sine(config, level_db), config), config)[inner]
    np.testing.assert_allclose(tone, level_db, atol=0.5)
    noise = 10 ** (level_db / 20) * rng.standard_normal(8000)
    levels = frame_levels_db(frames_of(noise, config), config)[inner]
    # Half of the lowest and of the highest triangle is missing.
    assert levels.mean() == pytest.approx(level_db, abs=1.0)


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_other_powers_give_an_estimate(power, rng):
    config = FeatureConfig(power=power)
    noise = 0.01 * rng.standard_normal(8000)
    assert frame_levels_db(frames_of(noise, config), config)[4:-4].mean() == pytest.approx(
        -40, abs=3
    )


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.0, 4.0])
def test_digital_silence_has_the_lowest_level_there_is(power):
    config = FeatureConfig(power=power)
    assert peak_level_db(frames_of(np.zeros(8000), config), config) == LOWEST_DB


@given(level_db=st.floats(-70, -10), change_db=st.floats(-10, 10))
def test_decibels_more_are_decibels_more(level_db, change_db):
    config = FeatureConfig()
    one, other = (
        peak_level_db(frames_of(sine(config, level), config), config)
        for level in (level_db, level_db + change_db)
    )
    assert other - one == pytest.approx(change_db, abs=0.1)


def test_the_loudest_frame_counts():
    config = FeatureConfig()
    samples = np.concatenate([np.zeros(8000), sine(config, -30.0), np.zeros(8000)])
    assert peak_level_db(frames_of(samples, config), config) == pytest.approx(-30.0, abs=0.5)


def test_the_noise_of_16_bit_sound_is_below_the_level_of_silence_and_faint_sound_is_not(rng):
    config = FeatureConfig()
    steps = np.round(rng.triangular(-1.0, 0.0, 1.0, 16_000)) / 32_768
    assert steps.any()
    assert peak_level_db(frames_of(steps, config), config) < -80.0
    assert peak_level_db(frames_of(sine(config, -75.0), config), config) > -80.0


def test_a_window_is_as_loud_as_its_loudest_frame(rng):
    config = FeatureConfig()
    frames = LogMel(config)(rng.normal(0, 0.1, 32_000)).T[:100]
    windows = np.stack([frames[start : start + 50].T for start in (0, 25, 50)])
    expected = [peak_level_db(window.T, config) for window in windows]
    np.testing.assert_allclose(window_levels_db(windows, config), expected)
