"""The front end: published mel scales, librosa's values, and independence of blocks."""

import itertools

import librosa
import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.reading import Excerpt, load_audio
from earmark.config import FeatureConfig
from earmark.errors import AudioError, ConfigError
from earmark.features.log_mel import (
    FLOOR,
    GROUP_FRAMES,
    LogMel,
    extract,
    hann_window,
    hz_to_mel,
    mel_filterbank,
    mel_to_hz,
    round_frames,
)

FLOOR_DB = -100.0
# 3 * n / 200 below 1 kHz and 15 + 27 log(f / 1000) / log(6.4) above: Slaney (1998), Auditory
# Toolbox, mfcc.m, whose 13 linear filters are 66.67 Hz apart and 27 logarithmic ones 1.0711703.
SLANEY = {0: 0, 200 / 3: 1, 500: 7.5, 1000: 15, 1071.1703: 16, 6400: 42, 2560: 15 + 13.677188}
# 2595 log10(1 + f / 700): Young et al. (2006), The HTK Book, equation 5.13.
HTK = {0: 0, 700: 781.17, 1000: 999.99, 4000: 2146.06, 8000: 2840.02}
PUBLISHED = [
    (scale, frequency, mel)
    for scale, table in {"slaney": SLANEY, "htk": HTK}.items()
    for frequency, mel in table.items()
]
SMALL = FeatureConfig(n_fft=256, win_length=256, hop_length=100, n_mels=10)


def librosa_log_mel(waveform, config):
    """The same settings through librosa in float64."""
    magnitude = np.abs(
        librosa.stft(
            waveform,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            win_length=config.win_length,
            window="hann",
            center=True,
            pad_mode="constant",
        )
    )
    filters = librosa_filters(config)
    energy = filters @ magnitude**config.power
    return 20 / config.power * np.log10(np.maximum(energy, FLOOR))


def librosa_filters(config):
    return librosa.filters.mel(
        sr=config.sample_rate,
        n_fft=config.n_fft,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
        htk=config.mel_scale == "htk",
        norm=None if config.mel_norm == "none" else config.mel_norm,
        dtype=np.float64,
    )


@pytest.mark.parametrize(("scale", "frequency", "mel"), PUBLISHED)
def test_the_mel_scales_are_the_published_ones(scale, frequency, mel):
    assert hz_to_mel(np.array([float(frequency)]), scale) == pytest.approx(mel, abs=0.01)


@given(st.floats(0, 400_000), st.sampled_from(["slaney", "htk"]))
def test_hz_come_back_from_mels(frequency, scale):
    mels = hz_to_mel(np.array([frequency]), scale)
    assert mel_to_hz(mels, scale) == pytest.approx(frequency, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_the_mel_scales_rise(scale):
    assert (np.diff(hz_to_mel(np.linspace(0, 24_000, 5000), scale)) > 0).all()


@pytest.mark.parametrize(("win_length", "n_fft"), [(8, 8), (5, 8), (400, 512), (1, 4)])
def test_the_hann_window_is_periodic_and_centred_as_in_librosa(win_length, n_fft):
    expected = librosa.util.pad_center(librosa.filters.get_window("hann", win_length), size=n_fft)
    if win_length == 1:
        expected[:] = 0  # scipy's window of one sample is 1; the formula gives 0.
    np.testing.assert_allclose(hann_window(win_length, n_fft), expected, atol=1e-12)


def test_filters_are_triangles_over_their_neighbours_centres():
    filters = mel_filterbank(FeatureConfig(mel_norm="none", n_fft=16_384))
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) > 0).all()
    assert filters.max(axis=1) == pytest.approx(1, abs=0.05)
    inside = slice(peaks[0] + 1, peaks[-1])
    np.testing.assert_allclose(filters.sum(axis=0)[inside], 1, atol=1e-9)


def test_slaneys_norm_gives_each_band_the_same_area():
    config = FeatureConfig(n_fft=16_384)
    areas = mel_filterbank(config).sum(axis=1) * config.sample_rate / config.n_fft
    np.testing.assert_allclose(areas, 1, rtol=0.01)


GRID = [
    pytest.param(*values, id="-".join(map(str, values)))
    for values in itertools.product(
        [8000, 16_000, 22_050, 44_100],
        [(1024, 1024, 320), (2048, 1200, 441)],
        [(40, 0.0, None), (24, 150.0, 3800.0)],
        ["slaney", "htk"],
        ["slaney", "none"],
        [1.0, 2.0],
    )
]


@pytest.mark.parametrize(("sample_rate", "lengths", "bands", "scale", "norm", "power"), GRID)
def test_values_are_librosas(rng, sample_rate, lengths, bands, scale, norm, power):
    config = FeatureConfig(
        sample_rate=sample_rate,
        **dict(zip(("n_fft", "win_length", "hop_length"), lengths, strict=True)),
        **dict(zip(("n_mels", "f_min", "f_max"), bands, strict=True)),
        mel_scale=scale,
        mel_norm=norm,
        power=power,
    )
    seconds = np.arange(sample_rate) / sample_rate
    waveform = 0.3 * np.sin(2 * np.pi * 1000 * seconds**2) * rng.uniform(0, 1, sample_rate)
    waveform[: sample_rate // 8] = 0
    expected = librosa_log_mel(waveform, config)
    np.testing.assert_allclose(mel_filterbank(config), librosa_filters(config), atol=1e-12)
    np.testing.assert_allclose(LogMel(config)(waveform), expected, atol=1e-3, rtol=0)
    in_float32 = LogMel(config)(waveform.astype(np.float32))
    audible = expected > expected.max() - 80
    np.testing.assert_allclose(in_float32[audible], expected[audible], atol=0.01, rtol=0)


@pytest.mark.parametrize("num_samples", [0, 1, 99, 100, 12_799, 12_800, 40_000])
def test_there_is_one_frame_more_than_whole_hops(num_samples):
    log_mel = LogMel(SMALL)
    values = log_mel(np.zeros(num_samples, np.float32))
    assert values.shape == (SMALL.n_mels, 1 + num_samples // 100)
    assert SMALL.num_frames(num_samples) == values.shape[1]


def test_double_precision_is_rounded_twice_as_the_graph_rounds_it():
    """Just above a tie of float16, which float32 cannot tell from the tie."""
    frames = np.full((1, 40), 1 + 2.0**-11 + 2.0**-30)
    (rounded,) = round_frames([frames])
    assert (rounded == 1.0).all()
    assert np.float16(frames[0, 0]) != 1.0


def test_a_frame_is_the_sound_around_its_time():
    waveform = np.zeros(16_000)
    waveform[5000] = 1.0
    loudest = LogMel(SMALL)(waveform).mean(axis=0).argmax()
    assert loudest == 5000 // SMALL.hop_length


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_silence_is_finite_and_at_the_floor(dtype):
    values = LogMel(FeatureConfig())(np.zeros(16_000, dtype))
    assert values.dtype == dtype
    np.testing.assert_allclose(values, FLOOR_DB, rtol=1e-6)


def test_ten_times_the_amplitude_is_twenty_decibels_more(rng):
    waveform = 0.05 * rng.standard_normal(16_000)
    for power in (1.0, 2.0):
        log_mel = LogMel(FeatureConfig(power=power))
        np.testing.assert_allclose(log_mel(10 * waveform) - log_mel(waveform), 20, atol=1e-6)


def test_a_clip_is_treated_alone(rng):
    quiet, loud = 1e-3 * rng.standard_normal(16_000), rng.standard_normal(16_000)
    log_mel = LogMel(FeatureConfig())
    alone = log_mel(quiet)
    log_mel(loud)
    np.testing.assert_array_equal(log_mel(quiet), alone)
    # A loud end does not move the frames before it.
    beside = log_mel(np.concatenate([quiet, loud]))
    np.testing.assert_array_equal(beside[:, :48], alone[:, :48])


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=6),
    st.sampled_from([SMALL, SMALL.model_copy(update={"hop_length": 300}), FeatureConfig()]),
    st.booleans(),
)
def test_blocks_of_any_sizes_give_the_whole_bit_for_bit(sizes, config, eager):
    rng = np.random.default_rng(sum(sizes))
    waveform = rng.uniform(-1, 1, sum(sizes)).astype(np.float32)
    blocks = np.split(waveform, np.cumsum(sizes)[:-1])
    log_mel = LogMel(config)
    streamed = np.concatenate(list(log_mel.stream(blocks, eager=eager)))
    np.testing.assert_array_equal(streamed.T, log_mel(waveform))


def test_an_eager_frame_comes_with_its_last_sample(rng):
    blocks = np.split(rng.uniform(-1, 1, 60 * SMALL.hop_length), 120)
    num_samples = 0

    def live():
        nonlocal num_samples
        for block in blocks:
            num_samples += len(block)
            yield block

    num_frames = 0
    for frames in LogMel(SMALL).stream(live(), eager=True):
        num_frames += len(frames)
        assert (
            num_samples - SMALL.n_fft // 2 - (num_frames - 1) * SMALL.hop_length < SMALL.hop_length
        )


@pytest.mark.parametrize("hop_length", [255, 256, 257, 300])
def test_hops_longer_than_the_transform_leave_out_the_sound_between(rng, hop_length):
    config = SMALL.model_copy(update={"hop_length": hop_length})
    needed = GROUP_FRAMES * hop_length
    waveform = rng.uniform(-1, 1, 3 * needed)
    blocks = np.split(waveform, range(10, len(waveform), 10))
    streamed = np.concatenate(list(LogMel(config).stream(blocks)))
    np.testing.assert_allclose(streamed.T, librosa_log_mel(waveform, config), atol=1e-3)


def test_no_blocks_give_no_frames():
    assert list(LogMel(SMALL).stream([])) == []


def test_a_band_without_a_bin_is_refused_with_the_fix():
    with pytest.raises(ConfigError, match=r"128 mel bands.*n_fft"):
        LogMel(FeatureConfig(n_fft=256, win_length=256, n_mels=128))


def test_a_file_gives_the_frames_of_its_sound_in_half_precision(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.flac", 9.7, 44_100)
    log_mel = LogMel(FeatureConfig())
    extracted = extract(path, log_mel)
    exact = log_mel(load_audio(path, 16_000).samples).T
    assert extracted.duration_seconds == pytest.approx(9.7, abs=1e-3)
    assert extracted.frames.dtype == np.float16
    np.testing.assert_array_equal(extracted.frames, exact.astype(np.float16))
    assert np.abs(extracted.frames.astype(float) - exact).max() <= 0.032


def test_an_excerpt_of_a_file_gives_its_own_frames(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.wav", 3)
    log_mel = LogMel(FeatureConfig())
    extracted = extract(path, log_mel, Excerpt(1.0, 2.5))
    cut_out = load_audio(path).samples[16_000:40_000]
    assert extracted.duration_seconds == 1.5
    np.testing.assert_array_equal(extracted.frames, log_mel(cut_out).T.astype(np.float16))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"missing\.wav"):
        extract(tmp_path / "missing.wav", LogMel(SMALL))


@pytest.mark.parametrize("n_fft", [256, 1024, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_transform_of_a_power_of_two_has_the_bits_of_scipy(rng, n_fft, dtype):
    """With which features were stored; numpy scales in the precision of its input."""
    frames = rng.normal(size=(192, n_fft)).astype(dtype)
    spectrum = np.fft.rfft(frames * dtype(n_fft), axis=1, norm="forward")
    expected = scipy.fft.rfft(frames, axis=1)
    assert spectrum.dtype == expected.dtype
    np.testing.assert_array_equal(spectrum, expected)


def test_a_front_end_shows_its_settings():
    shown = repr(LogMel(SMALL))
    for part in ("16000", "n_fft=256", "hop_length=100", "n_mels=10"):
        assert part in shown
