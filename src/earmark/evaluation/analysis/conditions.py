"""Conditions under which a test is repeated: telephone, codecs, level, noise, short excerpts."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.audio.effects import (
    AnySamples,
    add_noise,
    apply_gain,
    babble,
    band_limit,
    cut_excerpt,
    overdrive,
    recode,
    speech_shaped_noise,
    white_noise,
)
from earmark.audio.encoding import Codec

NUM_VOICES = 6
SNRS_DB = (20.0, 10.0, 0.0)
EXCERPT_SECONDS = (1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Sound:
    """The sound that a condition degrades.

    Args:
        samples: Of the clip, in [-1, 1].
        sample_rate: That of the front end, in Hz.
        seeds: Seeds of the random numbers of this clip.
        voices: Clips of other groups, for babble.
    """

    samples: AnySamples
    sample_rate: int
    seeds: tuple[int, ...]
    voices: Sequence[AnySamples] = ()

    @property
    def rng(self) -> np.random.Generator:
        """The same random numbers each time, so that nothing but the condition differs."""
        return np.random.default_rng(self.seeds)


@dataclass(frozen=True)
class Condition:
    """One way to degrade sound.

    Args:
        name: Its name in reports.
        change: Returns the degraded samples; None if the condition does not apply to a clip.
    """

    name: str
    change: Callable[[Sound], AnySamples | None]


def list_conditions() -> tuple[Condition, ...]:
    """All conditions, the unchanged sound first.

    Source:
        Hirsch and Pearce (2000), The Aurora experimental framework for the performance evaluation
        of speech recognition systems under noisy conditions, ASR2000: noises, babble among them,
        at fixed signal-to-noise ratios from 20 dB down, and the band of a telephone.

    Example:
        >>> [one.name for one in list_conditions()][:2]
        ['as recorded', 'recorded at 8 kHz']
    """
    return (
        Condition("as recorded", lambda sound: sound.samples),
        Condition("recorded at 8 kHz", _narrow),
        *(
            Condition(f"{title} at {kilobits} kbit/s", functools.partial(_recode, codec, kilobits))
            for title, codec, kilobits in (
                ("MP3", "mp3", 48),
                ("MP3", "mp3", 16),
                ("Opus", "opus", 24),
                ("Opus", "opus", 8),
            )
        ),
        Condition("20 dB softer", lambda sound: apply_gain(sound.samples, -20.0)),
        Condition("20 dB louder", lambda sound: apply_gain(sound.samples, 20.0)),
        Condition("20 dB louder, clipped", lambda sound: overdrive(sound.samples, 20.0)),
        *(
            Condition(f"{title}, {snr_db:g} dB", functools.partial(_mix, make, snr_db))
            for title, make in (
                ("white noise", _white),
                ("speech-shaped noise", _speech_shaped),
                ("babble", _babble),
            )
            for snr_db in SNRS_DB
        ),
        *(
            Condition(f"{seconds:g} s excerpt", functools.partial(_cut, seconds))
            for seconds in EXCERPT_SECONDS
        ),
    )


def _narrow(sound: Sound) -> AnySamples | None:
    if sound.sample_rate <= 8000:
        return None
    return band_limit(sound.samples, sound.sample_rate, 4000)


def _recode(codec: Codec, kilobits: int, sound: Sound) -> AnySamples:
    return recode(sound.samples, sound.sample_rate, codec, 1000 * kilobits)


def _mix(
    make: Callable[[Sound], AnySamples | None], snr_db: float, sound: Sound
) -> AnySamples | None:
    noise = make(sound)
    return None if noise is None else add_noise(sound.samples, noise, snr_db)


def _white(sound: Sound) -> AnySamples:
    return white_noise(len(sound.samples), sound.rng)


def _speech_shaped(sound: Sound) -> AnySamples:
    return speech_shaped_noise(len(sound.samples), sound.sample_rate, sound.rng)


def _babble(sound: Sound) -> AnySamples | None:
    rng = sound.rng
    if len(sound.voices) < 2:
        return None
    num_voices = min(NUM_VOICES, len(sound.voices))
    chosen = rng.choice(len(sound.voices), num_voices, replace=False)
    return babble([sound.voices[index] for index in chosen], len(sound.samples), rng)


def _cut(seconds: float, sound: Sound) -> AnySamples | None:
    if len(sound.samples) <= seconds * sound.sample_rate:
        return None
    return cut_excerpt(sound.samples, sound.sample_rate, seconds, sound.rng)
