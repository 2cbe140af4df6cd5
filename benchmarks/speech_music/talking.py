"""Talk as it is heard outside a studio: with pauses, several people, livelier and other voices.

Readers of books leave no pauses that last, are alone and keep their tone. Here turns of one to
three people follow one another, and the vocoder changes some of the voices.
"""

from collections.abc import Iterator

import numpy as np

from speech_music.channels import SAMPLE_RATE, Samples
from speech_music.vocoder import put_together, take_apart

TURN_SECONDS = (0.7, 4.0)
PAUSE_SECONDS = (-0.4, 0.7)
"""From one turn to the next; below zero both are heard at once."""
TURN_DB = (-6.0, 6.0)
RESPOKEN_SHARE = 0.5
"""Turns in another voice than the speaker's own."""
HIGHER_SEMITONES = (-5.0, 7.0)
LIVELINESS = (0.5, 2.0)
"""How far pitch moves, as a factor of how far it did."""
PACE = (0.75, 1.35)
THROAT_OCTAVES = 0.2
"""Formants move by up to this much."""


def respeak(speech: Samples, rng: np.random.Generator) -> Samples:
    """The same words in another voice; the same voice when hardly anything is voiced.

    Args:
        speech: One voice at `SAMPLE_RATE`.
        rng: Draws pitch, liveliness, pace and throat.
    """
    parts = take_apart(speech)
    if parts is None:
        return speech
    source = np.arange(0, len(parts.pitch_hz), rng.uniform(*PACE)).astype(np.int64)
    octaves = np.log2(np.maximum(parts.pitch_hz, 1.0) / parts.median_hz)
    octaves = octaves * rng.uniform(*LIVELINESS) + rng.uniform(*HIGHER_SEMITONES) / 12
    throat = 2 ** rng.uniform(-THROAT_OCTAVES, THROAT_OCTAVES)
    return put_together(parts, source, parts.median_hz * 2 ** octaves[source], throat)


def converse(turns: Iterator[Samples], length: int, rng: np.random.Generator) -> Samples:
    """Turns one after the other, until so many samples are filled.

    Args:
        turns: What is said, without end.
        length: In samples, at `SAMPLE_RATE`.
        rng: Draws pauses and levels.
    """
    talk = np.zeros(length, np.float32)
    at = 0
    while at < length:
        turn = next(turns)[: length - at] * np.float32(10 ** (rng.uniform(*TURN_DB) / 20))
        talk[at : at + len(turn)] += turn
        at = max(at + 1, at + len(turn) + round(rng.uniform(*PAUSE_SECONDS) * SAMPLE_RATE))
    return talk
