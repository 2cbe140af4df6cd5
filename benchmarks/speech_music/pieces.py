"""Pieces of music from a seed, for a soloist, a duo or a band, played by FluidSynth.

Most openly licensed music is that of games. These pieces bring what is rare there: one violin, a
saxophone, a choir without words, a guitar, each alone or with a few others. As compositions they
are worth nothing.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np

from earmark.audio.reading import load_audio
from speech_music.channels import SAMPLE_RATE, Samples

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
"""Major, minor, pentatonic and blues, in semitones above the keynote."""
PLAYED_RATE, TICKS_A_BEAT = 32_000, 480
KEYS, STRINGS, WINDS = (0, 4, 6, 8, 11, 12, 13, 16, 18, 19), range(40, 50), range(56, 80)
PLUCKED, VOICES, OTHERS = range(21, 31), (52, 53, 54), (80, 81, 85, *range(104, 112))
MELODY_PROGRAMS = (*KEYS, *PLUCKED, *STRINGS, *VOICES, *WINDS, *OTHERS)
CHORD_PROGRAMS = (*range(8), *range(16, 30), 46, *range(48, 54), 61, *range(88, 96))
BASS_PROGRAMS = (*range(32, 40), 42, 43, 58)
DRUM_KITS, DRUM_CHANNEL = (0, 8, 16, 24, 25, 32, 40, 48), 9
DRUM_CHANCES = {36: 0.25, 38: 0.15, 42: 0.6, 46: 0.1, 51: 0.1, 54: 0.1, 60: 0.1}
"""How likely each drum of General MIDI is struck at a quarter of a beat."""
SOLO_SHARE, DUO_SHARE = 0.3, 0.2
BEATS_A_MINUTE = (55.0, 190.0)
BAR_BEATS = (2, 3, 4, 4, 4)
MELODY_STEPS = (-4, -2, -1, -1, -1, 0, 1, 1, 1, 2, 3, 5)


@dataclass(frozen=True)
class Note:
    """A key that is held down. Times in beats."""

    start: float
    length: float
    key: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays: its program and channel of General MIDI, and its notes."""

    program: int
    channel: int
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Harmony:
    """The scale, where it begins, and a degree of it for each bar."""

    scale: tuple[int, ...]
    lowest_key: int
    bar_beats: int
    degrees: tuple[int, ...]

    def key(self, degree: int) -> int:
        """The key of a degree of the scale; eight is an octave above one."""
        octave, step = divmod(degree, len(self.scale))
        return self.lowest_key + 12 * octave + self.scale[step]

    def chord(self, beat: float) -> int:
        """The degree that a beat's chord stands on."""
        return self.degrees[int(beat / self.bar_beats) % len(self.degrees)]


Writer = Callable[[Harmony, float, np.random.Generator], Iterator[Note]]


def play(seconds: float, soundfont: Path, rng: np.random.Generator) -> Samples:
    """A piece, as it sounds.

    Args:
        seconds: How long it is.
        soundfont: The instruments, in the order of General MIDI.
        rng: Draws all of it.
    """
    tempo = rng.uniform(*BEATS_A_MINUTE)
    parts = _compose(seconds * tempo / 60, rng)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        _score(parts, tempo).save(score)
        command = ["fluidsynth", "-ni", "-q", "-r", str(PLAYED_RATE), "-F", sound, soundfont, score]
        subprocess.run(command, check=True, capture_output=True)
        return load_audio(sound, SAMPLE_RATE).samples[: round(seconds * SAMPLE_RATE)]


def _compose(beats: float, rng: np.random.Generator) -> Iterator[Part]:
    scale = SCALES[rng.integers(len(SCALES))]
    degrees = rng.integers(0, len(scale), int(rng.choice([2, 4, 4, 8])))
    harmony = Harmony(
        scale, int(rng.integers(40, 52)), int(rng.choice(BAR_BEATS)), tuple(degrees.tolist())
    )

    def part(channel: int, programs: tuple[int, ...], write: Writer) -> Part:
        return Part(int(rng.choice(programs)), channel, tuple(write(harmony, beats, rng)))

    kind = rng.random()
    if kind < SOLO_SHARE:
        yield part(0, MELODY_PROGRAMS, _melody)
    elif kind < SOLO_SHARE + DUO_SHARE:
        yield part(0, MELODY_PROGRAMS, _melody)
        yield part(1, CHORD_PROGRAMS, _chords)
    else:
        yield part(1, CHORD_PROGRAMS, _chords)
        yield part(2, BASS_PROGRAMS, _bass)
        if rng.random() < 0.8:
            yield part(0, MELODY_PROGRAMS, _melody)
        if rng.random() < 0.7:
            yield part(DRUM_CHANNEL, DRUM_KITS, _drums)
        if rng.random() < 0.3:
            harmony = replace(harmony, lowest_key=harmony.lowest_key - 12)
            yield part(3, MELODY_PROGRAMS, _melody)


def _melody(harmony: Harmony, beats: float, rng: np.random.Generator) -> Iterator[Note]:
    place, unit, beat = int(rng.integers(7, 15)), rng.choice([0.25, 0.5, 0.5, 1.0]), 0.0
    while beat < beats:
        length = float(unit * rng.choice([1, 1, 1, 2, 2, 3, 4]))
        if rng.random() < 0.88:
            key = harmony.key(place)
            yield Note(beat, length * rng.uniform(0.6, 1.05), key, int(rng.integers(60, 120)))
        place = int(np.clip(place + rng.choice(MELODY_STEPS), 3, 20))
        beat += length


def _chords(harmony: Harmony, beats: float, rng: np.random.Generator) -> Iterator[Note]:
    """Held, broken or off the beat."""
    style, step = rng.integers(3), float(rng.choice([0.5, 1, 2, harmony.bar_beats]))
    for number in range(int(beats / step)):
        beat = number * step
        root = 7 + harmony.chord(beat)
        chord = [root, root + 2, root + 4, *([root + 6] if rng.random() < 0.3 else [])]
        if style == 1:
            chord = [chord[number % len(chord)]]
        elif style == 2 and number % 2 == 0:
            continue
        for one in chord:
            yield Note(beat, step * 0.95, harmony.key(one), int(rng.integers(50, 95)))


def _bass(harmony: Harmony, beats: float, rng: np.random.Generator) -> Iterator[Note]:
    step = float(rng.choice([0.5, 1, 1, 2]))
    for beat in np.arange(0, beats, step).tolist():
        one = harmony.chord(beat) + int(rng.choice([0, 0, 0, 4, 2, 7]))
        yield Note(beat, step * 0.9, harmony.key(one) - 12, int(rng.integers(70, 110)))


def _drums(_: Harmony, beats: float, rng: np.random.Generator) -> Iterator[Note]:
    """A pattern of sixteen quarter beats, again and again."""
    pattern = {key: rng.random(16) < chance for key, chance in DRUM_CHANCES.items()}
    for number in range(int(beats * 4)):
        for key, struck in pattern.items():
            if struck[number % 16]:
                yield Note(number / 4, 0.1, key, int(rng.integers(60, 120)))


def _score(parts: Iterator[Part], tempo: float) -> mido.MidiFile:
    score = mido.MidiFile(type=1, ticks_per_beat=TICKS_A_BEAT)
    for part in parts:
        track = mido.MidiTrack()
        score.tracks.append(track)
        track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
        track.append(mido.Message("program_change", channel=part.channel, program=part.program))
        moments = [(one.start, one.key, one.velocity) for one in part.notes]
        moments += [(one.start + one.length, one.key, 0) for one in part.notes]
        now = 0
        for beat, key, velocity in sorted(moments, key=lambda one: (one[0], one[2])):
            ticks = round(beat * TICKS_A_BEAT)
            track.append(
                mido.Message(
                    "note_on", channel=part.channel, note=key, velocity=velocity, time=ticks - now
                )
            )
            now = ticks
    return score
