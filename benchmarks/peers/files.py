"""The files that all peers score, and the table of their scores.

``PYTHONPATH=benchmarks python -m peers.files cut DATA FILES``
``PYTHONPATH=benchmarks python -m peers.files table FILES NAME=SCORES.csv...``

Of tracks of speech and of music: the whole tracks, stretches of 3 s and of 1 s from all over them,
the latter also with pink noise, and stretches of 3 s of speech over music. All are 16-bit wav at
16 kHz. The table tells how often the larger score is that of the right label, and for speech over
music the areas under the ROC curves of speech against music alone, and of music against speech
alone.
"""

import argparse
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import soundfile
from sklearn.metrics import roc_auc_score

from earmark.audio.reading import load_audio
from earmark.data.manifest import read_manifest
from earmark.system.shapes import Float32
from machine import describe_machine

SAMPLE_RATE, NOISE_SNR_DB, DIFFERENCES_DB = 16_000, 5.0, (10.0, 0.0, -10.0)
STRETCHES = {3: 4, 1: 10}
"""Stretches of each length, in seconds, of a track: more would keep the slower peers for hours."""
MIXTURES = 2
"""Stretches of a pair of tracks that are mixed."""
SINGLE = ("whole", "3s", "1s", "1s_noise")
Samples = Float32[np.ndarray, " time"]


def main() -> None:
    """Cuts files, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    cutting = verbs.add_parser("cut")
    cutting.add_argument("data", type=Path)
    cutting.add_argument("files", type=Path)
    telling = verbs.add_parser("table")
    telling.add_argument("files", type=Path)
    telling.add_argument("scores", nargs="+", help="NAME=SCORES.csv")
    arguments = parser.parse_args()
    if arguments.verb == "cut":
        cut(arguments.data, arguments.files)
    else:
        print_table(arguments.files, dict(one.split("=", 1) for one in arguments.scores))


def cut(data: Path, out: Path) -> None:
    """Writes the files, in folders ``SET/LABEL``."""
    rng = np.random.default_rng(0)
    tracks: dict[str, list[Samples]] = {"music": [], "speech": []}
    for one in read_manifest(data).recordings:
        samples = load_audio(one.path, SAMPLE_RATE).samples
        label = one.labels[0]
        tracks[label].append(samples)
        name = f"{label}/{one.path.stem}"
        _write(out / f"whole/{name}.wav", samples)
        for number, part in enumerate(_stretches(samples, 3)):
            _write(out / f"3s/{name}_{number:02d}.wav", part)
        for number, part in enumerate(_stretches(samples, 1)):
            _write(out / f"1s/{name}_{number:02d}.wav", part)
            _write(out / f"1s_noise/{name}_{number:02d}.wav", part + _pink(part, rng))
    for number, (speech, music) in enumerate(zip(tracks["speech"], tracks["music"], strict=True)):
        pairs = list(zip(_stretches(speech, 3), _stretches(music, 3), strict=False))
        for turn, parts in enumerate(pairs[:MIXTURES]):
            for difference_db in DIFFERENCES_DB:
                name = f"over{difference_db:+.0f}dB/{number:02d}_{turn:02d}.wav"
                _write(out / name, _over(*parts, difference_db))


def print_table(files: Path, scores: Mapping[str, str]) -> None:
    """Prints the accuracy of each peer on each set, and how well it hears both at once."""
    print(describe_machine("numpy"))
    print(f"\n| peer | {' | '.join(SINGLE)} | times real time | both at {DIFFERENCES_DB} dB |")
    print("|---|" + "---|" * (len(SINGLE) + 2))
    for name, path in scores.items():
        with Path(path).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        cells = [_accuracy(rows, kind) for kind in SINGLE]
        whole = [row for row in rows if row["path"].startswith("whole/")]
        sound = sum(soundfile.info(files / row["path"]).duration for row in whole)
        seconds = sum(float(row["seconds"]) for row in whole)
        speed = f"{sound / seconds:.0f}" if whole else "not measured"
        both = ", ".join(_hears_both(rows, one) for one in DIFFERENCES_DB)
        print(f"| {name} | {' | '.join(cells)} | {speed} | {both} |")


def _accuracy(rows: list[dict[str, str]], kind: str) -> str:
    right = [
        (float(row["speech"]) > float(row["music"])) == ("/speech/" in row["path"])
        for row in rows
        if row["path"].startswith(f"{kind}/")
    ]
    return f"{np.mean(right):.2%}" if right else "not scored"


def _hears_both(rows: list[dict[str, str]], difference_db: float) -> str:
    """Areas under the ROC curves: speech over music against music alone, and against speech."""
    areas = []
    for heard, other in (("speech", "music"), ("music", "speech")):
        prefixes = {f"over{difference_db:+.0f}dB/": 1, f"3s/{other}/": 0}
        pairs = [
            (truth, float(row[heard]))
            for row in rows
            for prefix, truth in prefixes.items()
            if row["path"].startswith(prefix)
        ]
        if len({truth for truth, _ in pairs}) < 2:
            return "not scored"
        areas.append(roc_auc_score(*zip(*pairs, strict=True)))
    return f"{areas[0]:.3f}/{areas[1]:.3f}"


def _stretches(samples: Samples, seconds: int) -> Iterator[Samples]:
    length = seconds * SAMPLE_RATE
    firsts = np.arange(0, len(samples) - length + 1, length)
    for index in np.linspace(0, len(firsts) - 1, STRETCHES[seconds]).astype(int):
        yield samples[firsts[index] : firsts[index] + length]


def _pink(samples: Samples, rng: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(samples))
    return (noise * _rms(samples) / _rms(noise) * 10 ** (-NOISE_SNR_DB / 20)).astype(np.float32)


def _over(speech: Samples, music: Samples, difference_db: float) -> Samples:
    mixed = speech / _rms(speech) * 10 ** (difference_db / 20) + music / _rms(music)
    return mixed * 0.05 / _rms(mixed)


def _rms(samples: Samples) -> float:
    return max(1e-6, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def _write(path: Path, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples / max(1.0, np.abs(samples).max()), SAMPLE_RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()
