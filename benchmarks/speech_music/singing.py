"""Singing that is made of speech: other melodies, held vowels, another throat.

Openly licensed songs with voices are rare, so readers are made to sing. Their speech is taken apart
by a vocoder into pitch, envelope and breath, and put together at another pitch and pace.
"""

import numpy as np
import scipy.ndimage

from earmark.system.shapes import Bool, Float64, Int64
from speech_music.channels import Samples
from speech_music.pieces import SCALES
from speech_music.vocoder import FRAMES_A_SECOND, put_together, take_apart

RANGE_SEMITONES = 9
"""Highest and deepest notes, from the keynote."""
SLOWER = (1.2, 4.0)
"""How much longer vowels last than when spoken."""
KEYNOTE_SEMITONES = (-3.0, 9.0)
"""The keynote, from the speaker's own pitch."""
BEAT_SECONDS = (0.18, 0.6)
BEATS_A_NOTE = (0.5, 1, 1, 1, 2, 2, 3)
STEPS = (-3, -2, -1, -1, 0, 1, 1, 2, 3)
"""From one note of the scale to the next."""
GLIDE_SECONDS = (0.015, 0.05)
VIBRATO_HZ, VIBRATO_SEMITONES = (4.5, 6.5), (0.0, 0.7)
THROAT_OCTAVES = 0.15
"""Formants move by up to this much."""


def sing(speech: Samples, rng: np.random.Generator) -> Samples | None:
    """The same words sung to a random melody; None when hardly anything is voiced.

    Args:
        speech: One voice.
        rng: Draws melody, pace and throat.
    """
    parts = take_apart(speech)
    if parts is None:
        return None
    source = _slowed(parts.is_voiced, rng)
    keynote_hz = parts.median_hz * 2 ** (rng.uniform(*KEYNOTE_SEMITONES) / 12)
    sung_hz = keynote_hz * 2 ** (_melody(len(source), rng) / 12)
    throat = 2 ** rng.uniform(-THROAT_OCTAVES, THROAT_OCTAVES)
    return put_together(parts, source, sung_hz, throat)


def _slowed(
    is_voiced: Bool[np.ndarray, " frames"], rng: np.random.Generator
) -> Int64[np.ndarray, " out"]:
    """Which frame of speech each sung frame is: the middles of voiced stretches last longer."""
    is_held = scipy.ndimage.binary_erosion(is_voiced, iterations=3)
    pace = np.where(is_held, rng.uniform(*SLOWER), 1.0)
    ends = np.cumsum(scipy.ndimage.gaussian_filter1d(pace, 3.0))
    return np.searchsorted(ends, np.arange(int(ends[-1])), side="right")


def _melody(num_frames: int, rng: np.random.Generator) -> Float64[np.ndarray, " frames"]:
    """Notes in semitones above the keynote, with glides, vibrato and an unsteady hand."""
    scale = np.array(SCALES[rng.integers(len(SCALES))])
    notes = np.concatenate([scale - 12, scale])
    notes = notes[np.abs(notes) <= RANGE_SEMITONES]
    beat = rng.uniform(*BEAT_SECONDS) * FRAMES_A_SECOND
    place, sung = int(np.argmin(np.abs(notes))), []
    while len(sung) < num_frames:
        place = int(np.clip(place + rng.choice(STEPS), 0, len(notes) - 1))
        sung += [notes[place]] * round(beat * rng.choice(BEATS_A_NOTE))
    glide = rng.uniform(*GLIDE_SECONDS) * FRAMES_A_SECOND
    melody = scipy.ndimage.gaussian_filter1d(np.array(sung[:num_frames], np.float64), glide)
    is_steady = (np.abs(np.gradient(melody)) < 0.02).astype(np.float64)
    rate_hz = rng.uniform(*VIBRATO_HZ) * (1 + 0.1 * rng.standard_normal(num_frames))
    vibrato = np.sin(2 * np.pi * np.cumsum(rate_hz) / FRAMES_A_SECOND)
    vibrato *= rng.uniform(*VIBRATO_SEMITONES) * scipy.ndimage.gaussian_filter1d(is_steady, 20.0)
    drift = 0.5 * scipy.ndimage.gaussian_filter1d(rng.standard_normal(num_frames), 15.0)
    return melody + vibrato + drift
