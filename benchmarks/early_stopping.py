"""What values of ``train.min_delta`` cost and save: epochs, and the test, seed by seed.

``python benchmarks/early_stopping.py path/to/music_speech_subset --min-deltas 0 0.005 0.01``
"""

import argparse
import tempfile
from pathlib import Path

from machine import describe_machine, run_earmark


def main() -> None:
    """Prints a table: a row for each seed and value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--min-deltas", type=float, nargs="+", default=[0.0, 0.005, 0.01])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    settings = [part for one in arguments.settings for part in ("--set", one)]
    print(describe_machine("torch", "numpy", "scipy"))
    print(f"data: {arguments.data.name}, settings: {' '.join(arguments.settings) or 'default'}\n")
    print("| seed | min_delta | epochs | best | validation loss | test clips right | test loss |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = ("--store", f"{folder}/store")
        run_earmark("prepare", arguments.data, *store, *settings)
        for seed in arguments.seeds:
            for value in arguments.min_deltas:
                run = Path(folder) / f"run{seed}-{value}"
                options = (*store, *settings, "--seed", seed, "--set", f"train.min_delta={value}")
                trained = run_earmark("train", arguments.data, "-o", run, *options)
                tested = run_earmark("evaluate", run, arguments.data, *store)
                print(
                    f"| {seed} | {value:g} | {trained['epochs']} | {trained['best_epoch']} "
                    f"| {trained['validation']['loss']:.4f} "
                    f"| {tested['num_correct']} of {tested['num_clips']} | {tested['loss']:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
