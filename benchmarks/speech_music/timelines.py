"""Recordings with known time lines, of voices and pieces that the model was not trained on.

``PYTHONPATH=benchmarks python -m speech_music.timelines CLIPS OUT``

Stretches of speech, of music, of speech over music and of silence follow one another at drawn
lengths. ``OUT/events.csv`` says what is where: a row a stretch and label, ``path``, ``start`` and
``end`` in seconds, ``label``, and ``difference_db``, how far speech is above music. Where the
label is empty there is silence, and nothing is to be found.
"""

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.data.manifest import read_manifest
from earmark.system.files import atomic_write
from speech_music.channels import SAMPLE_RATE, Samples
from speech_music.made import TALK_GROUP

KINDS: tuple[tuple[str, ...], ...] = (("speech",), ("music",), ("music", "speech"), ())
SHARES = (0.35, 0.3, 0.25, 0.1)
"""How often each kind comes, where it is not the kind before it."""
LENGTH_SECONDS = (2.0, 12.0)
DIFFERENCES_DB = (-5.0, 0.0, 5.0, 10.0, 15.0)
FADE_SECONDS = 0.02
SILENCE_DB = -75.0
Event = tuple[str, float, float, str, str]
COLUMNS = ("path", "start", "end", "label", "difference_db")


def main() -> None:
    """Writes the recordings and their events, and prints how long each label lasts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="manifest.csv of speech_music.clips")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=180.0)
    arguments = parser.parse_args()
    sources = {
        label: [
            one.path
            for one in read_manifest(arguments.clips).split("validation")
            # Talk has pauses, and nobody wrote down where.
            if one.labels == (label,) and not one.group.startswith(TALK_GROUP)
        ]
        for label in ("music", "speech")
    }
    rows: list[Event] = []
    for number in range(arguments.count):
        rng = np.random.default_rng((2, number))
        path = arguments.out / f"time_line_{number:02d}.flac"
        rows += _write_recording(path, list(_stretches(sources, arguments.seconds, rng)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    atomic_write(arguments.out / "events.csv", text.getvalue())
    for label in ("music", "speech", ""):
        seconds = sum(row[2] - row[1] for row in rows if row[3] == label)
        print(f"{label or 'silence'}: {seconds:.0f} s")


def _stretches(
    sources: dict[str, list[Path]], seconds: float, rng: np.random.Generator
) -> Iterator[tuple[tuple[str, ...], str, Samples]]:
    """Labels, difference and samples of stretches that last so long together, at least."""
    kind: tuple[str, ...] | None = None
    while seconds > 0:
        others = [index for index, one in enumerate(KINDS) if one != kind]
        shares = np.array([SHARES[index] for index in others])
        kind = KINDS[others[rng.choice(len(others), p=shares / shares.sum())]]
        sounds = [_read(sources[label][rng.integers(len(sources[label]))]) for label in kind]
        length = round(rng.uniform(*LENGTH_SECONDS) * SAMPLE_RATE)
        length = min([length, *map(len, sounds)])
        noise = rng.standard_normal(length).astype(np.float32) * 10 ** (SILENCE_DB / 20)
        shown = ""
        if len(kind) == 2:
            difference_db = float(rng.choice(DIFFERENCES_DB))
            sounds[1] = sounds[1] * np.float32(10 ** (difference_db / 20))
            shown = f"{difference_db:g}"
        mixed = sum((sound[:length] for sound in sounds), noise)
        yield kind, shown, _faded(mixed / max(1.0, float(np.abs(mixed).max())))
        seconds -= length / SAMPLE_RATE


def _write_recording(
    path: Path, stretches: Sequence[tuple[tuple[str, ...], str, Samples]]
) -> list[Event]:
    rows: list[Event] = []
    start = 0.0
    for labels, shown, samples in stretches:
        end = start + len(samples) / SAMPLE_RATE
        rows += [(path.name, round(start, 4), round(end, 4), one, shown) for one in labels or ("",)]
        start = end
    content = io.BytesIO()
    whole = np.concatenate([samples for *_, samples in stretches])
    soundfile.write(content, whole, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    atomic_write(path, content.getvalue())
    return rows


def _read(path: Path) -> Samples:
    return soundfile.read(path, dtype="float32")[0]


def _faded(samples: Samples) -> Samples:
    """Without clicks at its ends."""
    ramp = np.linspace(0, 1, round(FADE_SECONDS * SAMPLE_RATE), dtype=np.float32)
    samples[: len(ramp)] *= ramp
    samples[-len(ramp) :] *= ramp[::-1]
    return samples


if __name__ == "__main__":
    main()
