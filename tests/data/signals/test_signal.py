"""Statistics of a recording's signal."""

import numpy as np
import pytest
import soundfile

from earmark.data.signals.signal import SPECTRUM_SAMPLES, analyze_signal


@pytest.fixture
def clipped(recording):
    """A function that writes samples and gives the number of clipped ones."""

    def count(tmp_path, samples, **options):
        soundfile.write(tmp_path / "tone.wav", samples, 16_000, **options)
        return analyze_signal(recording(tmp_path / "tone.wav")).stats.num_clipped

    return count


def test_every_sample_of_a_flat_top_is_counted(tmp_path, rng, noise, clipped):
    wave = np.tile([0.0, 0.2, 0.5, 0.5, 0.5, 0.2, 0.0, -0.3], 30)
    assert clipped(tmp_path, np.concatenate([wave, 0.1 * noise()[:, 0]])) == 90


@pytest.mark.parametrize("frequency_hz", [50, 440])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_rounding_a_wave_does_not_clip_it(tmp_path, frequency_hz, subtype, clipped):
    wave = 0.85 * np.sin(2 * np.pi * frequency_hz * np.arange(16_000) / 16_000 + 0.1)
    assert clipped(tmp_path, wave, subtype=subtype) == 0


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "FLOAT"])
def test_a_wave_above_a_limit_is_clipped_there(tmp_path, subtype, clipped):
    wave = 2.0 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000 + 0.1)
    fraction = 1 - 2 / np.pi * np.arcsin(0.9 / 2.0)
    found = clipped(tmp_path, wave.clip(-0.9, 0.9), subtype=subtype)
    assert found / 16_000 == pytest.approx(fraction, rel=0.1)


def test_a_square_wave_and_single_samples_over_full_scale_are_not_clipped(
    tmp_path, rng, noise, clipped
):
    square = 0.3 * np.sign(np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000 + 0.1))
    assert clipped(tmp_path, square) == 0
    loud = noise()[:, 0]
    loud[::50] = 1.5
    assert clipped(tmp_path, loud, subtype="FLOAT") == 0
    loud[1000:1030] = rng.uniform(1.01, 1.2, 30)
    assert clipped(tmp_path, loud, subtype="FLOAT") in {30, 31, 32}


@pytest.mark.parametrize(
    ("num_samples", "known"), [(SPECTRUM_SAMPLES - 1, False), (SPECTRUM_SAMPLES, True)]
)
def test_the_bandwidth_of_too_few_samples_is_unknown(tmp_path, rng, recording, num_samples, known):
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal(num_samples), 8000)
    bandwidth_hz = analyze_signal(recording(tmp_path / "a.wav")).stats.bandwidth_hz
    assert (bandwidth_hz is not None) == known


def test_the_bandwidth_is_that_of_the_sound(tmp_path, recording):
    wave = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "a.wav", wave, 16_000)
    stats = analyze_signal(recording(tmp_path / "a.wav")).stats
    assert stats.bandwidth_hz == pytest.approx(1000, abs=50)
    assert stats.level_db == pytest.approx(-9.03, abs=0.01)


def test_silence_around_a_sound_is_measured(tmp_path, recording, noise):
    samples = np.concatenate([np.zeros(8000), noise()[:, 0], np.zeros(4000)])
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    stats = analyze_signal(recording(tmp_path / "a.wav")).stats
    assert stats.leading_seconds == pytest.approx(0.5, abs=0.001)
    assert stats.trailing_seconds == pytest.approx(0.25, abs=0.001)
