"""Encodes sound with a lossy codec, in memory, with the encoders that PyAV ships."""

import io
from dataclasses import dataclass
from typing import Literal

import av
import numpy as np
import soxr

from earmark.system.shapes import Float32

Codec = Literal["mp3", "opus"]

LOWEST_MPEG_1_BIT_RATE = 32_000


@dataclass(frozen=True)
class _Encoder:
    """PyAV's names of an encoder, its container and sample format; the rates in Hz it accepts."""

    name: str
    container: str
    sample_format: str
    sample_rates: tuple[int, ...]


_ENCODERS = {
    "mp3": _Encoder(
        *("libmp3lame", "mp3", "fltp"),
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ),
    "opus": _Encoder("libopus", "ogg", "flt", (8_000, 12_000, 16_000, 24_000, 48_000)),
}


def encode(
    waveform: Float32[np.ndarray, " time"], sample_rate: int, codec: Codec, bit_rate: int
) -> bytes:
    """Encodes a waveform as an MP3 or Ogg Opus file.

    The sound is resampled to the next higher rate of the codec, or to its highest one.

    Args:
        waveform: Samples in [-1, 1].
        sample_rate: Their rate in Hz.
        codec: ``mp3`` or ``opus``.
        bit_rate: In bit/s. An MP3 file of less than 32 kbit/s has a rate of at most 24 kHz: at
            higher rates the format has no lower bit rate.

    Example:
        >>> len(encode(np.zeros(16_000, np.float32), 16_000, "mp3", 32_000)) // 1000
        4
    """
    encoder = _ENCODERS[codec]
    rates = [rate for rate in encoder.sample_rates if _is_allowed(codec, rate, bit_rate)]
    rate = next((rate for rate in rates if rate >= sample_rate), rates[-1])
    samples = soxr.resample(waveform, sample_rate, rate)
    file = io.BytesIO()
    with av.open(file, "w", format=encoder.container) as container:
        stream = container.add_stream(encoder.name, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None], encoder.sample_format, "mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def _is_allowed(codec: Codec, sample_rate: int, bit_rate: int) -> bool:
    return codec != "mp3" or bit_rate >= LOWEST_MPEG_1_BIT_RATE or sample_rate <= 24_000
