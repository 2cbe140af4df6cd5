"""How nervous time lines are: programmes of speech and music against what a model finds in them.

``PYTHONPATH=benchmarks python benchmarks/programmes.py MODEL SPEECH MUSIC... --readers``

A programme is made as broadcasts are: spoken passages of one to three voices with pauses, pieces
of music, short jingles, each at a level of its own, joined by a cut, a pause or a crossfade. All
that is drawn depends on the seed alone. A row of the table is a shortest segment,
``predict.min_segment_seconds``; passages and pieces that touch and have one label are one event.
"""

import argparse
import functools
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.reading import is_audio, load_audio
from earmark.config import PredictConfig
from earmark.inference.classifier import Classifier
from event_scores import Agreement, Event, compare_events, compare_segments
from machine import describe_machine
from speech_music.sources import find_readers

RATE = 16_000
SHORTEST_SECONDS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
PASSAGE_SECONDS = (8.0, 40.0)
PIECE_SECONDS = (6.0, 30.0)
JINGLE_SECONDS = (2.0, 4.0)
JINGLES = 0.3
"""Fraction of the music that is a jingle."""
TURN_SECONDS = (2.0, 10.0)
PAUSE_SECONDS = (0.2, 1.2)
LEVEL_DB = (-32.0, -18.0)
FADE_SECONDS = 1.0
NOISE_DB = -65.0
COLLAR_SECONDS = 1.0
NOTHING = Agreement(0, 0, 0)


@dataclass(frozen=True)
class Programme:
    """A programme that was written, and what is where in it."""

    path: Path
    events: tuple[Event, ...]


def main() -> None:
    """Prints a row a shortest segment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("speech", type=Path, help="folder of recordings")
    parser.add_argument("music", type=Path, nargs="+", help="folders of recordings")
    parser.add_argument("--readers", action="store_true", help="SPEECH is LibriSpeech")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shortest", type=float, nargs="+", default=SHORTEST_SECONDS)
    arguments = parser.parse_args()
    voices = _find_voices(arguments.speech) if arguments.readers else _files(arguments.speech)
    pieces = [path for folder in arguments.music for path in _files(folder)]
    print(describe_machine("numpy", "onnxruntime"))
    with tempfile.TemporaryDirectory() as folder:
        programmes = [
            write_programme(
                *(Path(folder) / f"{number}.flac", voices, pieces, arguments.seconds),
                rng=np.random.default_rng((arguments.seed, number)),
            )
            for number in range(arguments.count)
        ]
        _print_table(arguments.model, programmes, arguments.shortest)


def _print_table(model: str, programmes: Sequence[Programme], shortest: Sequence[float]) -> None:
    events = [event for one in programmes for event in one.events]
    num_speech = sum(label == "speech" for *_, label in events)
    print(
        f"\n{len(programmes)} programmes, {sum(one.events[-1][1] for one in programmes):.0f} s, "
        f"{num_speech} spoken passages, {len(events) - num_speech} pieces of music\n"
    )
    columns = ("s", "segments", "of speech", "F1 of 10 ms", "F1 of events, 1 s", "jingles found")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for seconds in shortest:
        settings = [f"predict.min_segment_seconds={seconds}"]
        classifier = Classifier.load(model, device="cpu", settings=settings)
        found = [find_events(classifier, one.path) for one in programmes]
        star = " (default)" if seconds == PredictConfig().min_segment_seconds else ""
        print(f"| {seconds:g}{star} | {' | '.join(figures(programmes, found))} |", flush=True)


def figures(programmes: Sequence[Programme], found: Sequence[Sequence[Event]]) -> list[str]:
    """The cells of a row."""
    pairs = list(zip((one.events for one in programmes), found, strict=True))
    segments, events = NOTHING, NOTHING
    for pair in pairs:
        segments += compare_segments(*pair)
        events += compare_events(*pair, collar_seconds=COLLAR_SECONDS, share_of_length=0.0)
    jingles = [
        any(start < sum(event[:2]) / 2 < end for start, end, label in own if label == event[2])
        for annotated, own in pairs
        for event in annotated
        if event[2] == "music" and event[1] - event[0] <= JINGLE_SECONDS[1] + FADE_SECONDS
    ]
    return [
        str(sum(map(len, found))),
        str(sum(label == "speech" for own in found for *_, label in own)),
        f"{segments.f1:.4f}",
        f"{events.f1:.3f}",
        f"{sum(jingles)} of {len(jingles)}",
    ]


def find_events(classifier: Classifier, path: Path) -> list[Event]:
    """What a model finds."""
    segments = classifier.predict(path, segments=True).segments or ()
    return [(one.start, one.end, one.label) for one in segments]


def write_programme(
    path: Path,
    voices: Sequence[Path],
    pieces: Sequence[Path],
    seconds: float,
    *,
    rng: np.random.Generator,
) -> Programme:
    """Writes a programme of at least so many seconds.

    Args:
        path: File to write.
        voices: Recordings of speech, each of one voice.
        pieces: Recordings of music.
        seconds: Length.
        rng: For everything that is drawn.
    """
    sound = np.zeros(0, np.float32)
    events: list[Event] = []
    for label in itertools.cycle(("speech", "music")):
        part = _passage(voices, rng) if label == "speech" else _piece(pieces, rng)
        sound, start = _join(sound, _at_level(part, rng.uniform(*LEVEL_DB)), rng)
        if events:
            events[-1] = (events[-1][0], min(events[-1][1], start), events[-1][2])
        events.append((start, len(sound) / RATE, label))
        if len(sound) >= seconds * RATE:
            break
    noise = rng.standard_normal(len(sound)).astype(np.float32) * 10 ** (NOISE_DB / 20)
    soundfile.write(path, (sound + noise).clip(-1, 1), RATE, subtype="PCM_16")
    return Programme(path, tuple(events))


def _join(
    sound: np.ndarray, part: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """The sound with one more part, and where this starts, in seconds: half-way in a crossfade."""
    way = rng.choice(["cut", "pause", "fade"])
    if way == "pause":
        sound = np.concatenate([sound, np.zeros(round(rng.uniform(*PAUSE_SECONDS) * RATE), "f4")])
    length = round(FADE_SECONDS * RATE)
    if way != "fade" or min(len(sound), len(part)) < 2 * length:
        return np.concatenate([sound, part]), len(sound) / RATE
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    both = sound[-length:] * (1 - ramp) + part[:length] * ramp
    start = (len(sound) - length / 2) / RATE
    return np.concatenate([sound[:-length], both, part[length:]]), start


def _passage(voices: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    """Turns of one to three voices with pauses."""
    length = round(rng.uniform(*PASSAGE_SECONDS) * RATE)
    chosen = [_read(voices[int(rng.integers(len(voices)))]) for _ in range(rng.integers(1, 4))]
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < length:
        voice = chosen[int(rng.integers(len(chosen)))]
        parts.append(_excerpt(voice, rng.uniform(*TURN_SECONDS), rng))
        parts.append(np.zeros(round(rng.uniform(*PAUSE_SECONDS) * RATE), np.float32))
    return np.concatenate(parts[:-1])


def _piece(pieces: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    seconds = JINGLE_SECONDS if rng.random() < JINGLES else PIECE_SECONDS
    piece = _read(pieces[int(rng.integers(len(pieces)))])
    return _excerpt(piece, rng.uniform(*seconds), rng)


def _excerpt(samples: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    length = min(round(seconds * RATE), len(samples))
    first = int(rng.integers(0, len(samples) - length + 1))
    return samples[first : first + length]


def _at_level(samples: np.ndarray, level_db: float) -> np.ndarray:
    level = max(float(np.sqrt(np.square(samples).mean())), 1e-6)
    return samples * np.float32(10 ** (level_db / 20) / level)


@functools.lru_cache(maxsize=64)
def _read(path: Path) -> np.ndarray:
    samples = load_audio(path, RATE).samples
    return samples * np.float32(0.1 / max(float(np.sqrt(np.square(samples).mean())), 1e-6))


def _find_voices(folder: Path) -> list[Path]:
    """Utterances of the readers that the model `speech-music` was not trained on."""
    return [
        path
        for voice in find_readers(folder)
        if voice.split == "validation"
        for path in voice.files
    ]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if is_audio(path)]


if __name__ == "__main__":
    main()
