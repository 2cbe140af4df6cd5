"""Default settings on data with their own three splits: one training and one test a seed.

``python benchmarks/classic.py path/to/music_speech_subset --seeds 0 1 2 3 4``
"""

import argparse
import tempfile
from pathlib import Path

from machine import describe_machine, run_earmark


def main() -> None:
    """Prints a table: a row a seed, then the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    settings = [part for one in arguments.settings for part in ("--set", one)]
    print(describe_machine("torch", "numpy", "scipy"))
    print(f"data: {arguments.data.name}, settings: {' '.join(arguments.settings) or 'default'}\n")
    print("| seed | epochs | best | training s | validation loss | test clips right | test loss |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = ("--store", f"{folder}/store")
        run_earmark("prepare", arguments.data, *store, *settings)
        shares = [
            _row(arguments.data, Path(folder) / f"run{seed}", seed, (*store, *settings))
            for seed in arguments.seeds
        ]
    print(f"\nmean accuracy {sum(shares) / len(shares):.4f} over {len(shares)} seeds")


def _row(data: Path, run: Path, seed: int, options: tuple[str, ...]) -> float:
    trained = run_earmark("train", data, "-o", run, "--seed", seed, *options)
    tested = run_earmark("evaluate", run, data, *options[:2])
    print(
        f"| {seed} | {trained['epochs']} | {trained['best_epoch']} "
        f"| {trained['elapsed_seconds']:.0f} | {trained['validation']['loss']:.4f} "
        f"| {tested['num_correct']} of {tested['num_clips']} | {tested['loss']:.4f} |",
        flush=True,
    )
    return tested["accuracy"]


if __name__ == "__main__":
    main()
