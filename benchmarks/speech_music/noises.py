"""Steady sounds that are neither speech nor music, made from a seed."""

from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal

from earmark.system.shapes import Float64
from speech_music.channels import SAMPLE_RATE

Signal = Float64[np.ndarray, " time"]
MODULATION_HZ = (0.1, 20.0)
WANDER_SECONDS = 0.5
"""Over which the speed of a machine changes."""
STEADY_SHARE = 0.3
"""Noises without any modulation."""


def make_noise(kind: int, length: int, rng: np.random.Generator) -> Signal:
    """A noise of some colour, that swells and fades at some rate, with an RMS of 1.

    Args:
        kind: Which of `KINDS`, counted on from the first again after the last.
        length: In samples, at `SAMPLE_RATE`.
        rng: Decides all the rest.
    """
    noise = _coloured(KINDS[kind % len(KINDS)](length, rng), rng)
    if rng.random() > STEADY_SHARE:
        low, high = np.log(MODULATION_HZ)
        times = np.arange(length) / SAMPLE_RATE
        phase = 2 * np.pi * np.exp(rng.uniform(low, high)) * times
        noise *= 1.0 + rng.uniform(0.0, 0.9) * np.sin(phase)
    return noise / np.sqrt(np.mean(noise**2))


def _hiss(length: int, rng: np.random.Generator) -> Signal:
    return rng.standard_normal(length)


def _engine(length: int, rng: np.random.Generator) -> Signal:
    """Strokes at a rate that wanders, over some hiss."""
    rate_hz = rng.uniform(8.0, 70.0)
    periods = SAMPLE_RATE / rate_hz * rng.normal(1.0, 0.04, int(length / SAMPLE_RATE * 90))
    places = np.cumsum(np.maximum(periods, 1.0)).astype(int)
    strokes = np.zeros(length)
    strokes[places[places < length]] = rng.uniform(20.0, 80.0)
    return strokes + rng.standard_normal(length) * rng.uniform(0.2, 2.0)


def _motor(length: int, rng: np.random.Generator) -> Signal:
    """Many harmonics of a speed that wanders without steps, and hiss that turns with them."""
    speed_hz = np.exp(rng.uniform(np.log(25.0), np.log(400.0)))
    phase = _phase(speed_hz, rng.uniform(0.0, 0.15), length, rng)
    harmonics = np.zeros(length)
    for number in range(1, int(min(40.0, SAMPLE_RATE / 2 / speed_hz / 1.5)) + 1):
        strength = rng.exponential() * number ** -rng.uniform(0.2, 1.0)
        harmonics += strength * np.sin(number * phase + rng.uniform(0.0, 2 * np.pi))
    hiss = rng.standard_normal(length) * (1.0 + rng.uniform(0.0, 1.0) * np.sin(phase))
    return harmonics / np.std(harmonics) + hiss * rng.uniform(0.1, 1.5)


def _rotor(length: int, rng: np.random.Generator) -> Signal:
    """Hiss in bursts, as of blades, over a softer hiss."""
    phase = _phase(rng.uniform(4.0, 30.0), rng.uniform(0.0, 0.03), length, rng)
    bursts = ((1.0 + np.cos(phase)) / 2) ** rng.uniform(1.0, 12.0)
    return rng.standard_normal(length) * (bursts + rng.uniform(0.05, 0.5))


def _crackle(length: int, rng: np.random.Generator) -> Signal:
    """Rare impulses over some hiss."""
    is_hit = rng.random(length) < 10 ** rng.uniform(-4.0, -2.0)
    return is_hit * rng.standard_normal(length) * 60.0 + rng.standard_normal(length)


def _drops(length: int, rng: np.random.Generator) -> Signal:
    """Impulses of any strength, each of which rings for some milliseconds, as rain and fire do."""
    hits = (rng.random(length) < 10 ** rng.uniform(-3.5, -1.5)) * rng.lognormal(0.0, 1.2, length)
    times = np.arange(SAMPLE_RATE // 20) / SAMPLE_RATE
    drops = np.zeros(length)
    for _ in range(4):
        ring = np.exp(-times / rng.uniform(0.0005, 0.008))
        ring *= np.cos(2 * np.pi * rng.uniform(300.0, 7_000.0) * times)
        kept = hits * (rng.random(length) < 0.5)
        drops += scipy.signal.fftconvolve(kept, ring)[:length]
    hiss = rng.standard_normal(length) * rng.uniform(0.0, 1.0)
    return drops / max(np.std(drops), 1e-6) + hiss


KINDS: tuple[Callable[[int, np.random.Generator], Signal], ...] = (
    _hiss,
    _engine,
    _motor,
    _rotor,
    _crackle,
    _drops,
)


def _phase(rate_hz: float, wander: float, length: int, rng: np.random.Generator) -> Signal:
    """Of an oscillation whose rate wanders by a share of itself."""
    steps = rng.standard_normal(length // 160 + 1)
    slow = scipy.ndimage.gaussian_filter1d(steps, WANDER_SECONDS * SAMPLE_RATE / 160)
    slow = np.interp(np.arange(length), np.arange(len(slow)) * 160, slow / np.std(slow))
    return 2 * np.pi * np.cumsum(rate_hz * np.exp(wander * slow)) / SAMPLE_RATE


def _coloured(signal: Signal, rng: np.random.Generator) -> Signal:
    """A signal through a smooth random frequency response, and a slope towards high frequencies."""
    spectrum = np.fft.rfft(signal)
    frequencies = np.maximum(np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE), 20.0)
    points_hz = np.geomspace(20.0, SAMPLE_RATE / 2, 8)
    response_db = np.interp(frequencies, points_hz, rng.uniform(-12.0, 12.0, 8))
    slope = frequencies ** -rng.uniform(0.0, 1.2)
    return np.fft.irfft(spectrum * 10 ** (response_db / 20) * slope, len(signal))
