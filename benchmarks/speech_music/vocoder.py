"""Voices taken apart and put together again by the vocoder WORLD."""

from dataclasses import dataclass

import numpy as np
import pyworld
import scipy.ndimage

from earmark.system.shapes import Bool, Float64, Int64
from speech_music.channels import SAMPLE_RATE, Samples

FRAME_MS = 5.0
FRAMES_A_SECOND = 1000.0 / FRAME_MS
FEWEST_VOICED_SECONDS = 0.25


@dataclass(frozen=True)
class Parts:
    """What WORLD makes of a voice, a row a frame of `FRAME_MS`.

    Args:
        pitch_hz: 0 where nothing is voiced.
        envelope: Power spectrum of the throat.
        breath: How much of each frequency is noise, from 0 to 1.
    """

    pitch_hz: Float64[np.ndarray, " frames"]
    envelope: Float64[np.ndarray, "frames bins"]
    breath: Float64[np.ndarray, "frames bins"]

    @property
    def is_voiced(self) -> Bool[np.ndarray, " frames"]:
        """Where there is a pitch."""
        return self.pitch_hz > 0

    @property
    def median_hz(self) -> float:
        """The speaker's own pitch."""
        return float(np.median(self.pitch_hz[self.is_voiced]))


def take_apart(speech: Samples) -> Parts | None:
    """Pitch, envelope and breath of a voice; None when hardly anything is voiced.

    Args:
        speech: One voice at `SAMPLE_RATE`.

    Source:
        Morise, Yokomori and Ozawa (2016), WORLD: a vocoder-based high-quality speech synthesis
        system for real-time applications, IEICE Transactions E99-D(7).
    """
    if len(speech) < FEWEST_VOICED_SECONDS * SAMPLE_RATE:
        return None
    samples = speech.astype(np.float64)
    pitch_hz, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=FRAME_MS)
    pitch_hz = pyworld.stonemask(samples, pitch_hz, times, SAMPLE_RATE)
    if (pitch_hz > 0).sum() < FEWEST_VOICED_SECONDS * FRAMES_A_SECOND:
        return None
    envelope = pyworld.cheaptrick(samples, pitch_hz, times, SAMPLE_RATE)
    return Parts(pitch_hz, envelope, pyworld.d4c(samples, pitch_hz, times, SAMPLE_RATE))


def put_together(
    parts: Parts,
    source: Int64[np.ndarray, " out"],
    pitch_hz: Float64[np.ndarray, " out"],
    throat: float,
) -> Samples:
    """A voice at another pace and pitch, from another throat.

    Args:
        parts: From `take_apart`.
        source: Which frame of them each new frame is.
        pitch_hz: Of each new frame; where the old one is not voiced it is not heard.
        throat: Formants move up by this factor.
    """
    bins = np.minimum(np.arange(parts.envelope.shape[1]) / throat, parts.envelope.shape[1] - 1)
    envelope = np.exp(
        scipy.ndimage.map_coordinates(
            np.log(parts.envelope), np.meshgrid(source, bins, indexing="ij"), order=1
        )
    )
    return pyworld.synthesize(
        np.where(parts.is_voiced[source], pitch_hz, 0.0),
        envelope,
        parts.breath[source],
        SAMPLE_RATE,
        FRAME_MS,
    ).astype(np.float32)
