"""Clips that are made from a seed: noises, songs, pieces and talk.

One of so many is kept for validation; songs and talk are in the split of the voices in them.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datasets import Row
from earmark.system.parallel import map_in_order
from speech_music.channels import SAMPLE_RATE, Samples, pass_through
from speech_music.noises import KINDS, make_noise
from speech_music.sounds import (
    LEVEL_DB,
    at_level,
    load,
    of_kind,
    read_any,
    stretch,
    within,
    without_silence,
    write,
)
from speech_music.sources import READERS, Voice

CLIP_SECONDS = 12.0
NOISE_GROUP, SONG_GROUP, PIECE_GROUP, TALK_GROUP = "noise ", "song ", "piece ", "talk "
"""How the groups of what is made from a seed begin."""
NOISES, PIECES, TALKS = 900, 480, 1400
SONGS = 2
"""Of each LibriSpeech reader."""
VALIDATION_SHARE = 5
"""One noise, piece or talk of so many is kept for validation."""
SOFT_SHARE, SOFT_DB = 0.2, (-110.0, -40.0)
"""So many noises are softer than all other clips, down to what cannot be heard."""
SUNG_SECONDS, SHORTEST_SONG_SECONDS = (6.0, 10.0), 4.0
VOICE_ABOVE_MUSIC_DB = (-3.0, 9.0)
MOST_SPEAKERS, BABBLERS = 3, 5
"""In a talk, and behind it."""
TALK_BACKGROUND_DB = (-40.0, -8.0)


def make_noises(out: Path) -> Iterator[Row]:
    """Clips of steady noise of many kinds, through a channel each, and of next to nothing.

    Args:
        out: Folder of the clips.
    """
    for number in range(NOISES):
        rng = np.random.default_rng((1, number))
        noise = make_noise(number, round(CLIP_SECONDS * SAMPLE_RATE), rng).astype(np.float32)
        noise = at_level(pass_through(at_level(noise), rng))
        if rng.random() < SOFT_SHARE:
            noise *= np.float32(10 ** ((rng.uniform(*SOFT_DB) - LEVEL_DB) / 20))
        path = out / f"noise_{number:03d}.flac"
        write(path, noise)
        split = _split(number // len(KINDS))
        yield {"path": path, "label": "", "split": split, "group": f"{NOISE_GROUP}{number}"}


def make_songs(
    voices: Sequence[Voice], rows: Sequence[Row], soundfont: Path, out: Path
) -> Iterator[Row]:
    """Readers who sing: alone, to a piece from a seed, or to recorded music of their split.

    Args:
        voices: Those of LibriSpeech sing.
        rows: The recorded clips.
        soundfont: Of General MIDI.
        out: Folder of the clips.
    """
    from speech_music.singing import sing

    readers = [voice for voice in voices if voice.group.startswith(READERS)]
    jobs = [(reader, number) for reader in readers for number in range(SONGS)]

    def make(job: tuple[Voice, int]) -> Row | None:
        reader, number = job
        rng = np.random.default_rng((2, zlib.crc32(reader.group.encode()), number))
        speech = load(reader.files[rng.integers(len(reader.files))])
        song = sing(stretch(speech, rng.uniform(*SUNG_SECONDS), rng), rng)
        song = None if song is None else without_silence(at_level(song))
        if song is None or len(song) < SHORTEST_SONG_SECONDS * SAMPLE_RATE:
            return None
        music = _accompaniment(of_kind(rows, reader.split, "music"), soundfont, rng)
        length = min(len(song), len(music))
        voice_db = rng.uniform(*VOICE_ABOVE_MUSIC_DB)
        song = at_level(song[:length]) * np.float32(10 ** (voice_db / 20)) + music[:length]
        path = out / f"song_{reader.group.replace('/', '_')}_{number}.flac"
        write(path, at_level(pass_through(at_level(song), rng)))
        group = f"{SONG_GROUP}{reader.group} {number}"
        return {"path": path, "label": "music", "split": reader.split, "group": group}

    found = (future.result() for _, future in map_in_order(make, jobs, 2))
    return (row for row in found if row is not None)


def _accompaniment(music: Sequence[Row], soundfont: Path, rng: np.random.Generator) -> Samples:
    from speech_music.pieces import play

    kind = rng.integers(3)
    if kind == 0:
        return np.zeros(round(CLIP_SECONDS * SAMPLE_RATE), np.float32)
    if kind == 1:
        return at_level(play(CLIP_SECONDS, soundfont, rng))
    return read_any(music, rng)


def make_pieces(soundfont: Path, out: Path) -> Iterator[Row]:
    """Pieces from a seed, through a channel each.

    Args:
        soundfont: Of General MIDI.
        out: Folder of the clips.
    """
    from speech_music.pieces import play

    def make(number: int) -> Row:
        rng = np.random.default_rng((3, number))
        piece = without_silence(at_level(play(CLIP_SECONDS, soundfont, rng)))
        path = out / f"piece_{number:03d}.flac"
        write(path, pass_through(at_level(piece), rng))
        group = f"{PIECE_GROUP}{number}"
        return {"path": path, "label": "music", "split": _split(number), "group": group}

    return (future.result() for _, future in map_in_order(make, range(PIECES), 2))


def make_talks(voices: Sequence[Voice], rows: Sequence[Row], out: Path) -> Iterator[Row]:
    """Talk over a background, through a channel each.

    Args:
        voices: Those who speak talk.
        rows: The recorded clips and the noises, for the background.
        out: Folder of the clips.
    """
    from speech_music.talking import converse

    length = round(CLIP_SECONDS * SAMPLE_RATE)

    def make(number: int) -> Row:
        rng = np.random.default_rng((5, number))
        split = _split(number)
        people = [one for one in voices if (one.split, one.labels) == (split, ("speech",))]
        count = min(len(people), rng.integers(MOST_SPEAKERS) + 1)
        chosen = rng.choice(len(people), count, replace=False)
        talk = at_level(converse(_turns([people[one] for one in chosen], rng), length, rng))
        behind = _background(of_kind(rows, split, "speech"), of_kind(rows, split, ""), rng)
        if behind is not None:
            over_db = rng.uniform(*TALK_BACKGROUND_DB)
            talk += np.resize(at_level(behind), length) * np.float32(10 ** (over_db / 20))
        path = out / f"talk_{number:03d}.flac"
        write(path, pass_through(at_level(talk), rng))
        return {"path": path, "label": "speech", "split": split, "group": f"{TALK_GROUP}{number}"}

    return (future.result() for _, future in map_in_order(make, range(TALKS), 2))


def _turns(speakers: Sequence[Voice], rng: np.random.Generator) -> Iterator[Samples]:
    from speech_music.talking import RESPOKEN_SHARE, TURN_SECONDS, respeak

    while True:
        files = speakers[int(rng.integers(len(speakers)))].files
        turn = within(load(files[rng.integers(len(files))]))
        turn = stretch(turn, rng.uniform(*TURN_SECONDS), rng)
        yield respeak(turn, rng) if rng.random() < RESPOKEN_SHARE else turn


def _background(
    speech: Sequence[Row], noises: Sequence[Row], rng: np.random.Generator
) -> Samples | None:
    """Behind those who talk: nothing, a noise, or many who talk at once."""
    kind = rng.integers(3)
    if kind == 0:
        return None
    if kind == 1:
        return read_any(noises, rng)
    babble = [read_any(speech, rng) for _ in range(BABBLERS)]
    return np.sum([np.resize(one, min(map(len, babble))) for one in babble], axis=0)


def _split(number: int) -> str:
    return "train" if number % VALIDATION_SHARE else "validation"
