"""Simulated recording conditions: bandwidth, codecs, level, clipping and background noise."""

import io
from collections.abc import Sequence

import numpy as np
import scipy.fft
import soundfile
import soxr

from earmark.audio.encoding import Codec, encode
from earmark.system.shapes import Float32

Samples = Float32[np.ndarray, " time"]
"""All arguments and results of this type in one signature have the same length."""
AnySamples = Float32[np.ndarray, " _"]
"""Samples of any length."""

SPEECH_LEVELS_DB = {
    63: 38.6, 80: 43.5, 100: 54.4, 125: 57.7, 160: 56.8, 200: 60.2, 250: 60.3, 315: 59.0,
    400: 62.1, 500: 62.1, 630: 60.5, 800: 56.8, 1000: 53.7, 1250: 53.0, 1600: 52.0, 2000: 48.7,
    2500: 48.1, 3150: 46.8, 4000: 45.6, 5000: 44.5, 6300: 44.3, 8000: 43.7, 10000: 43.4,
    12500: 41.3, 16000: 40.7,
}  # fmt: skip
"""Long-term mean level of speech in dB, in third-octave bands by their centre in Hz.

Source:
    Byrne et al. (1994), An international comparison of long-term average speech spectra, JASA
    96(4), table II, men and women together.
"""


def band_limit(waveform: Samples, sample_rate: int, limit_hz: int) -> Samples:
    """Simulates a recording at a lower sample rate, such as a telephone line.

    Args:
        waveform: Samples.
        sample_rate: Rate in Hz, of the result as well.
        limit_hz: Frequencies above it are removed; from half the rate upwards it has no effect.
    """
    if 2 * limit_hz >= sample_rate:
        return waveform
    narrow = soxr.resample(waveform, sample_rate, 2 * limit_hz)
    return fit_length(soxr.resample(narrow, 2 * limit_hz, sample_rate), len(waveform))


def recode(waveform: Samples, sample_rate: int, codec: Codec, bit_rate: int) -> Samples:
    """Simulates lossy compression: encodes and decodes at the same rate and length.

    Args:
        waveform: Samples in [-1, 1].
        sample_rate: Their rate in Hz.
        codec: ``mp3`` or ``opus``.
        bit_rate: In bit/s.
    """
    # libsndfile rejects many Ogg Opus files of a single page (1 s) as malformed.
    padded = fit_length(waveform, max(len(waveform), 2 * sample_rate))
    file = io.BytesIO(encode(padded, sample_rate, codec, bit_rate))
    decoded, rate = soundfile.read(file, dtype="float32")
    return fit_length(soxr.resample(decoded, rate, sample_rate), len(waveform))


def apply_gain(waveform: Samples, gain_db: float) -> Samples:
    """Simulates another recording level, without clipping at full scale."""
    return waveform * np.float32(10.0 ** (gain_db / 20.0))


def overdrive(waveform: Samples, gain_db: float) -> Samples:
    """Simulates a recording level set too high: amplifies and clips at full scale."""
    return np.clip(apply_gain(waveform, gain_db), -1.0, 1.0)


def add_noise(waveform: Samples, noise: Samples, snr_db: float) -> Samples:
    """Simulates background noise at a signal-to-noise ratio.

    Args:
        waveform: Samples. Silence stays silent, because its ratio to noise is not defined.
        noise: As many samples, of any level.
        snr_db: Power of the whole sound relative to that of the noise, in dB.
    """
    gain = power_ratio(waveform, noise) * 10.0 ** (-snr_db / 10.0)
    return waveform + np.float32(np.sqrt(gain)) * noise


def power_ratio(one: Samples, other: Samples) -> float:
    """Ratio of the powers (mean squares) of two sounds; 0 when either of them is silent."""
    powers = [float(np.mean(np.square(each, dtype=np.float64))) for each in (one, other)]
    return powers[0] / powers[1] if powers[1] else 0.0


def white_noise(num_samples: int, rng: np.random.Generator) -> Samples:
    """Gaussian noise with a flat spectrum."""
    return rng.standard_normal(num_samples, dtype=np.float32)


def speech_shaped_noise(num_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Gaussian noise with the long-term spectrum of speech, `SPEECH_LEVELS_DB`.

    Args:
        num_samples: Length.
        sample_rate: In Hz.
        rng: Random generator.
    """
    centres_hz = np.array(list(SPEECH_LEVELS_DB), dtype=np.float64)
    # From band levels to density: the width of a third-octave band is proportional to its centre.
    density_db = np.array(list(SPEECH_LEVELS_DB.values())) - 10.0 * np.log10(centres_hz)
    size = scipy.fft.next_fast_len(num_samples, real=True)
    spectrum = scipy.fft.rfft(white_noise(size, rng))
    bins_hz = np.arange(len(spectrum)) * (sample_rate / size)
    shape_db = np.interp(np.log(np.maximum(bins_hz, 1.0)), np.log(centres_hz), density_db)
    shape = 10.0 ** ((shape_db - density_db.max()) / 20.0)
    shape[bins_hz < centres_hz[0]] = 0.0
    return scipy.fft.irfft(spectrum * shape, size)[:num_samples].astype(np.float32)


def babble(voices: Sequence[AnySamples], num_samples: int, rng: np.random.Generator) -> AnySamples:
    """Simulates talkers in the background: sounds of equal power, looped from random starts.

    Args:
        voices: The sounds; silent ones are ignored.
        num_samples: Length of the result.
        rng: Random generator.
    """
    total = np.zeros(num_samples, np.float32)
    for voice in voices:
        rms = float(np.sqrt(np.mean(np.square(voice, dtype=np.float64))))
        if rms:
            rotated = np.roll(voice, int(rng.integers(len(voice))))
            total += np.resize(rotated, num_samples) / np.float32(rms)
    return total


def cut_excerpt(
    waveform: AnySamples, sample_rate: int, seconds: float, rng: np.random.Generator
) -> AnySamples:
    """An excerpt from a random position; the whole sound when it is not longer than that."""
    num_samples = round(seconds * sample_rate)
    start = int(rng.integers(max(len(waveform) - num_samples, 0) + 1))
    return waveform[start : start + num_samples]


def fit_length(waveform: AnySamples, num_samples: int) -> AnySamples:
    """Truncates the end, or appends silence."""
    return np.pad(waveform[:num_samples], (0, max(num_samples - len(waveform), 0)))
