"""What `earmark tune` adds: the default settings and the winner of a study, tested alike.

``OMP_NUM_THREADS=1 python benchmarks/tuning.py DATA STUDY --trials 20``
``OMP_NUM_THREADS=1 python benchmarks/tuning.py esc10.csv STUDY --set features.sample_rate=44100``

The study, which goes on where it stopped, sees training and validation only. Then both are trained
with each seed, and each run is tested once; two trainings at a time.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import describe_machine, run_earmark


def main() -> None:
    """Prints what was found, and a row for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("study", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    settings = [part for one in arguments.settings for part in ("--set", one)]
    print(describe_machine("torch", "optuna"))
    print(f"data: {arguments.data.name}, settings: {' '.join(arguments.settings) or 'default'}")
    with tempfile.TemporaryDirectory() as folder:
        options = ("--store", f"{folder}/store")
        run_earmark("prepare", arguments.data, *options, *settings)
        study = ("-o", arguments.study, "--trials", arguments.trials, *options, *settings)
        found = run_earmark("tune", arguments.data, *study)
        print(
            f"{found['num_trials']} trials, {found['num_pruned']} pruned; the best is number "
            f"{found['best']['number']}: {json.dumps(found['best']['settings'])}\n"
        )
        print(
            "| settings | parameters | accuracy of each seed | mean | log-loss | validation loss |"
        )
        print("|---|---|---|---|---|---|")
        for name, own in (("default", settings), ("tuned", ("--from-study", arguments.study))):

            def run(seed: int, name: str = name, own: Sequence[object] = own) -> dict[str, Any]:
                path = Path(folder) / f"{name}{seed}"
                given = (arguments.data, "-o", path, "--seed", seed, *options, *own)
                trained = run_earmark("train", *given)
                return {
                    **run_earmark("evaluate", path, arguments.data, *options),
                    "trained": trained,
                }

            with ThreadPoolExecutor(2) as pool:
                print(_row(name, list(pool.map(run, range(arguments.seeds)))), flush=True)


def _row(name: str, tests: Sequence[dict[str, Any]]) -> str:
    right = ", ".join(f"{one['num_correct']} of {one['num_clips']}" for one in tests)
    means = (
        f"{statistics.mean(one['accuracy'] for one in tests):.2%}",
        f"{statistics.mean(one['loss'] for one in tests):.4f}",
        f"{statistics.mean(one['trained']['validation']['loss'] for one in tests):.4f}",
    )
    return f"| {name} | {tests[0]['trained']['num_parameters']:,} | {right} | {' | '.join(means)} |"


if __name__ == "__main__":
    main()
