"""What the scripts of the peers share; nothing but Python, since each has packages of its own.

A script scores every wav file below a folder and writes a row a file: its path below the folder,
how much speaks for speech, how much for music, and the seconds that it took from file to scores.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

Scorer = Callable[[Path], tuple[float, float]]
"""A file to its scores for speech and for music."""


def score_files(make_scorer: Callable[[], Scorer]) -> None:
    """Scores the files that the command line names.

    Args:
        make_scorer: Loads the model; its time and that of the first file do not count.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=Path, help="folder of wav files, from peers.files")
    parser.add_argument("out", type=Path, help="scores to write, .csv")
    arguments = parser.parse_args()
    paths = sorted(arguments.files.rglob("*.wav"))
    score = make_scorer()
    score(paths[0])
    with arguments.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "speech", "music", "seconds"))
        for path in paths:
            started_at = time.perf_counter()
            speech, music = score(path)
            seconds = time.perf_counter() - started_at
            name = path.relative_to(arguments.files).as_posix()
            writer.writerow((name, f"{speech:.6f}", f"{music:.6f}", f"{seconds:.6f}"))
