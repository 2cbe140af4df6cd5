"""What the scripts that train the peers share; nothing but Python, as each has its own packages.

A script is given a table with the columns ``path``, ``label`` and ``split``, and a folder to write
into: ``predictions.csv`` with a label for every recording of the test split, and ``facts.json``.
"""

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

SPLITS = ("train", "validation", "test")
Rows = list[tuple[str, str]]
"""Paths and labels."""


@dataclass(frozen=True)
class Job:
    """One training.

    Args:
        table: The file of recordings.
        out: Folder to write into.
        seed: Of the training.
        cap_seconds: Processor time after which a training should come to its end.
    """

    table: Path
    out: Path
    seed: int
    cap_seconds: float

    def read(self, split: str) -> Rows:
        """The recordings of a split."""
        return [(path, label) for path, label, name in self._lines() if name == split]

    def labels(self) -> list[str]:
        """All labels, sorted."""
        return sorted({label for _, label, _ in self._lines()})

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        with self.table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield row["path"], row["label"], row["split"]


@dataclass(frozen=True)
class Facts:
    """What a training was.

    Args:
        network: Its name.
        parameters: How many it has.
        front_end: Sample rate and features, in words.
        length: Epochs or steps, done and planned.
        versions: Of the peer and of PyTorch.
    """

    network: str
    parameters: int
    front_end: str
    length: str
    versions: str


def run_job(train: Callable[[Job], tuple[Mapping[str, str], Facts]], description: str) -> None:
    """Trains what the command line names, and writes predictions and facts.

    Args:
        train: From a job to the label predicted for each path of the test split, and the facts.
        description: For ``--help``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("table", type=Path, help=".csv with path, label and split")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cap-minutes", type=float, default=25.0)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    job = Job(arguments.table.resolve(), out, arguments.seed, 60 * arguments.cap_minutes)
    predictions, facts = train(job)
    with (out / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("path", "label"), *predictions.items()])
    (out / "facts.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")


def versions_of(*packages: str) -> str:
    """Names and versions of installed distributions."""
    return ", ".join(f"{name} {version(name)}" for name in packages)
