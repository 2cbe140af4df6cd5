"""Whether the seeds of a cross-validation make the same errors, and what their mean would gain.

``earmark cross-validate esc10.csv --seeds 5 -o cv``
``python benchmarks/seeds_together.py cv``

A row a number of seeds: the clips that are right by the mean of their probabilities, as the mean
over all choices of so many seeds. Several folders, of one data set, are also averaged together.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from machine import describe_machine

FACTS = ("seed", "fold", "path", "label", "predicted", "correct")
Table = Mapping[str, np.ndarray]
"""Seed to the probabilities of the clips, in the order of their names."""


def main() -> None:
    """Prints a table, and how many clips are wrong with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="CV")
    arguments = parser.parse_args()
    print(describe_machine("numpy"))
    print("\n| cross-validation | seeds averaged | clips right | of |")
    print("|---|---|---|---|")
    read = {folder.name: read_probabilities(folder) for folder in arguments.folders}
    tables = {name: table for name, (table, _) in read.items()}
    (_, targets), *_ = read.values()
    for name, table in tables.items():
        for size in range(1, len(table) + 1):
            print(_row(name, size, table, targets))
    together = {f"{name} {seed}": each for name in tables for seed, each in tables[name].items()}
    if len(tables) > 1:
        print(_row("all together", len(together), together, targets))
    print()
    for name, table in tables.items():
        print(f"{name}: no seed is right for {wrong_with_all(table, targets)} clips")


def read_probabilities(folder: Path) -> tuple[Table, np.ndarray]:
    """The probabilities of each seed, and the number of the label of each clip.

    Args:
        folder: Of a finished cross-validation of one label a clip.
    """
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
    labels = [one for one in rows[0] if one not in FACTS]
    table = {
        seed: np.array([[float(row[one]) for one in labels] for row in rows if row["seed"] == seed])
        for seed in sorted({row["seed"] for row in rows}, key=int)
    }
    first = [row for row in rows if row["seed"] == rows[0]["seed"]]
    return table, np.array([labels.index(row["label"]) for row in first])


def mean_right(size: int, table: Table, targets: np.ndarray) -> float:
    """Clips that the mean of so many seeds gets right, over all choices of them."""
    choices: Sequence[tuple[np.ndarray, ...]] = list(combinations(table.values(), size))
    right = [(np.mean(one, axis=0).argmax(axis=1) == targets).sum() for one in choices]
    return float(np.mean(right))


def wrong_with_all(table: Table, targets: np.ndarray) -> int:
    """How many clips no seed gets right."""
    right = [each.argmax(axis=1) == targets for each in table.values()]
    return int((~np.any(right, axis=0)).sum())


def _row(name: str, size: int, table: Table, targets: np.ndarray) -> str:
    return f"| {name} | {size} | {mean_right(size, table, targets):.1f} | {len(targets)} |"


if __name__ == "__main__":
    main()
