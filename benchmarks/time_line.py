"""How exact time lines are: tracks joined at known instants, against what a model finds.

``python benchmarks/time_line.py path/to/run path/to/music_speech_subset``
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.config import PredictConfig
from earmark.data.manifest import read_manifest
from earmark.inference.classifier import Classifier
from event_scores import Event, compare_events, compare_segments
from machine import describe_machine

RATE = 22_050
PIECE_SECONDS = (4.0, 20.0)
MIDDLE = PredictConfig().boundary_fraction
WAYS = (
    ("none", 0.0, 0.0),
    *(("median", seconds, MIDDLE) for seconds in (1.0, 2.0, 3.0)),
    *(("viterbi", seconds, MIDDLE) for seconds in (0.5, 1.0, 2.0, 3.0)),
    *(("viterbi", 1.0, share) for share in (0.0, 0.2, 0.5, 0.7)),
)
"""Smoothing, its seconds, and how much of a window places boundaries."""
NEAR_SECONDS = 2.0
"""A boundary that is found farther away than this is another one."""


def main() -> None:
    """Prints a row a way of smoothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, help="one label a recording")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(describe_machine("torch", "numpy", "scipy"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joined.flac"
        annotated = join_tracks(arguments, path)
        print(
            f"\n{annotated[-1][1]:.0f} s, {len(annotated)} pieces of the {arguments.split} split\n"
        )
        print(
            "| smoothing | s | middle | segments | F1 of 10 ms | F1 of events, 0.2 s "
            "| F1 of events, 1 s | boundaries within 2 s | median error s "
            "| 90 % of errors below s |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        for smoothing, seconds, share in WAYS:
            settings = [
                f'predict.smoothing="{smoothing}"',
                f"predict.min_segment_seconds={seconds}",
                f"predict.boundary_fraction={share}",
            ]
            classifier = Classifier.load(arguments.model, device="cpu", settings=settings)
            segments = classifier.predict(path, segments=True).segments or ()
            found = [(one.start, one.end, one.label) for one in segments]
            cells = " | ".join(
                (smoothing, f"{seconds:g}", f"{share:g}", *figures(annotated, found))
            )
            print(f"| {cells} |", flush=True)


def figures(annotated: Sequence[Event], found: Sequence[Event]) -> list[str]:
    """The cells of a row."""
    errors = boundary_errors(annotated, found)
    near = errors[errors <= NEAR_SECONDS]
    return [
        str(len(found)),
        f"{compare_segments(annotated, found).f1:.4f}",
        f"{compare_events(annotated, found, share_of_length=0.0).f1:.3f}",
        f"{compare_events(annotated, found, collar_seconds=1.0, share_of_length=0.0).f1:.3f}",
        f"{len(near)} of {len(errors)}",
        f"{np.median(near):.2f}",
        f"{np.quantile(near, 0.9):.2f}",
    ]


def boundary_errors(annotated: Sequence[Event], found: Sequence[Event]) -> np.ndarray:
    """Seconds from each change of label to the nearest one to the same label that is found."""
    changes = [(event[0], event[2]) for event in found[1:]]
    return np.array(
        [
            min((abs(onset - other) for other, to in changes if to == label), default=np.inf)
            for onset, _, label in annotated[1:]
        ]
    )


def join_tracks(arguments: argparse.Namespace, path: Path) -> list[Event]:
    """Joins pieces of the tracks of a split end to end, the label changing each time.

    Args:
        arguments: ``data``, ``split``, ``seconds``, the length at least, and ``seed``, for tracks,
            lengths and places.
        path: File to write.

    Returns:
        What is where.
    """
    rng = np.random.default_rng(arguments.seed)
    tracks: dict[str, list[Path]] = {}
    for one in read_manifest(arguments.data).split(arguments.split):
        tracks.setdefault(one.labels[0], []).append(one.path)
    events: list[Event] = []
    end = 0.0
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        labels = itertools.cycle(sorted(tracks))
        while end < arguments.seconds:
            label = next(labels)
            samples, rate = soundfile.read(_pick(tracks[label], rng), dtype="float32")
            if rate != RATE or samples.ndim != 1:
                raise SystemExit(f"the tracks must be mono of {RATE} Hz")
            length = min(round(rng.uniform(*PIECE_SECONDS) * RATE), len(samples))
            start = rng.integers(0, len(samples) - length + 1)
            file.write(samples[start : start + length])
            events.append((end, end + length / RATE, label))
            end += length / RATE
    return events


def _pick(paths: Sequence[Path], rng: np.random.Generator) -> Path:
    return paths[int(rng.integers(len(paths)))]


if __name__ == "__main__":
    main()
