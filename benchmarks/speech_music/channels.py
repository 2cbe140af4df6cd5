"""What recordings pass through: rooms, narrow bands and codecs, alike for speech and for music."""

import io
from collections.abc import Callable

import numpy as np
import scipy.signal
import soundfile
import soxr

from earmark.system.shapes import Float32

SAMPLE_RATE = 16_000
ROOM_SHARE, BAND_SHARE, CODEC_SHARE = 0.25, 0.4, 0.3
BAND_RATES = (8_000, 8_000, 11_025, 12_000, 14_000)
"""A band is narrowed by way of one of these rates."""
REVERBERATION_SECONDS = (0.15, 1.0)
DIRECT_TO_REVERBERANT_DB = (-3.0, 12.0)

Samples = Float32[np.ndarray, " time"]
Channel = Callable[[Samples], Samples]


def pass_through(samples: Samples, rng: np.random.Generator) -> Samples:
    """Sound as it arrives by way of a room, a band and a codec, or of none of them.

    Args:
        samples: At `SAMPLE_RATE`.
        rng: Decides by way of which.
    """
    if rng.random() < ROOM_SHARE:
        samples = reverberate(samples, rng)
    if rng.random() < BAND_SHARE:
        samples = narrow(samples, int(rng.choice(BAND_RATES)))
    if rng.random() < CODEC_SHARE:
        samples = CODECS[rng.integers(len(CODECS))](samples)
    return samples


def reverberate(samples: Samples, rng: np.random.Generator) -> Samples:
    """Sound in a room: the direct sound, and noise that decays exponentially.

    Source:
        Polack (1988), La transmission de l'énergie sonore dans les salles, for the model.
    """
    seconds = rng.uniform(*REVERBERATION_SECONDS)
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3.0 * times / seconds)
    ratio_db = rng.uniform(*DIRECT_TO_REVERBERANT_DB)
    tail *= 10 ** (-ratio_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return scipy.signal.fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def narrow(samples: Samples, rate: int) -> Samples:
    """Sound without what lies above half of a rate."""
    return soxr.resample(soxr.resample(samples, SAMPLE_RATE, rate), rate, SAMPLE_RATE)


def encode(
    samples: Samples, rate: int, container: str, subtype: str, strength: float | None = None
) -> Samples:
    """Sound that a codec of libsndfile has written and read.

    Args:
        samples: At `SAMPLE_RATE`.
        rate: At which the codec works.
        container: Format of the file, as soundfile names it.
        subtype: Codec, likewise.
        strength: How much is thrown away, from 0 to 1, where the codec has a choice.
    """
    file = io.BytesIO()
    given = soxr.resample(samples, SAMPLE_RATE, rate)
    scaled = given / max(1.0, float(np.abs(given).max()))
    soundfile.write(
        file, scaled, rate, format=container, subtype=subtype, compression_level=strength
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    back = soxr.resample(decoded, rate, SAMPLE_RATE)[: len(samples)]
    return np.pad(back, (0, len(samples) - len(back)))


CODECS: tuple[Channel, ...] = (
    lambda samples: encode(samples, 8_000, "WAV", "GSM610"),
    lambda samples: encode(samples, 8_000, "WAV", "ULAW"),
    lambda samples: encode(samples, 16_000, "MP3", "MPEG_LAYER_III", 0.9),
    lambda samples: encode(samples, 16_000, "OGG", "VORBIS", 1.0),
)
"""Mobile telephone, telephone, and two that the web uses, at low rates."""
