"""Statistics of a recording's signal."""

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import firwin, lfilter, welch

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


def test_the_band_is_that_of_another_computation(tmp_path, rng, recording):
    """Noise of a sloping spectrum below a low-pass filter of 5 kHz, beside an offset."""
    steep = firwin(801, 5000, fs=44_100, window=("kaiser", 8.0))
    noise = lfilter([1.0], [1.0, -0.9], rng.standard_normal(3 * 44_100))
    samples = 0.02 * lfilter(steep, [1.0], noise) + 0.01
    soundfile.write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    stats = analyze_signal(recording(tmp_path / "a.wav")).stats
    frequencies, power = welch(samples - samples.mean(), 44_100, nperseg=4096)
    cumulative = np.cumsum(power) / power.sum()
    expected = frequencies[np.searchsorted(cumulative, [0.5, 0.99])]
    found = (stats.median_hz, stats.bandwidth_hz)
    assert found == pytest.approx(expected, abs=150)
    assert stats.reach_hz == pytest.approx(frequencies[power > 1e-6 * power.max()][-1], abs=100)
    assert stats.reach_hz == pytest.approx(5000, abs=150)


def test_resampling_to_a_higher_rate_adds_no_reach(tmp_path, rng, recording):
    samples = 0.1 * rng.standard_normal(16_000)
    reach = []
    for rate in (8000, 32_000):
        sound = soxr.resample(samples, 8000, rate)
        soundfile.write(tmp_path / "a.wav", sound, rate, subtype="PCM_16")
        reach.append(analyze_signal(recording(tmp_path / "a.wav")).stats.reach_hz)
    assert reach[0] == 4000
    assert reach[1] == pytest.approx(4000, abs=100)


def test_a_silent_recording_has_no_activity(tmp_path, recording):
    soundfile.write(tmp_path / "a.wav", np.full(16_000, 0.0005), 16_000)
    stats = analyze_signal(recording(tmp_path / "a.wav")).stats
    assert (stats.active_fraction, stats.event_seconds) == (0.0, 0.0)
