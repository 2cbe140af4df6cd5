"""How good and how quick are other packages that train a classifier, with their defaults?

``PYTHONPATH=benchmarks python -m peers.training DATA[:FOLD...]... --peer NAME=PYTHON... --out OUT``

Of data with splits the test split is tested; of data with folds each fold that is named, and the
next one validates, as in ``earmark cross-validate``. Every peer gets the same three lists of
recordings and runs in the Python of its own environment; earmark runs in this one, without
settings. The minutes are from files to predictions: features, training, validation, test and
imports, first of the clock and then of the processor. A peer's training ends early where more would
pass the cap. What is in OUT already is not done again, so an interrupted table goes on.
"""

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.data.folds import fold_names, hold_out
from earmark.data.manifest import Manifest, read_manifest
from earmark.errors import DataError
from machine import describe_machine

PEERS = ("earmark", "autrainer", "opensoundscape")
OTHERS = PEERS[1:]
HEADER = (
    "data",
    "test",
    "peer",
    "network, parameters",
    "front end",
    "length",
    "right",
    "accuracy",
    "minutes",
    "processor minutes",
)


@dataclass(frozen=True)
class Test:
    """A split of a data set.

    Args:
        data: Its name.
        name: The fold that tests, or the word test.
        manifest: Recordings with splits.
    """

    data: str
    name: str
    manifest: Manifest


@dataclass(frozen=True)
class Settings:
    """How every training is started.

    Args:
        pythons: Peers to the Python of their environment.
        out: Folder of the results.
        seed: Of every training.
        threads: Of the numeric libraries.
        cap_minutes: Of the processor, for a peer's training.
    """

    pythons: dict[str, str]
    out: Path
    seed: int
    threads: int
    cap_minutes: float


def main() -> None:
    """Prints a table, a row a test and peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", help="data set, with the folds to test: DATA:FOLD:FOLD")
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cap-minutes", type=float, default=25.0)
    arguments = parser.parse_args()
    pythons = {"earmark": sys.executable, **dict(one.split("=", 1) for one in arguments.peer)}
    if unknown := sorted(set(pythons) - set(PEERS)):
        parser.error(f"no peer {unknown[0]!r}; known are {', '.join(OTHERS)}")
    settings = Settings(
        pythons,
        arguments.out.resolve(),
        arguments.seed,
        arguments.threads,
        arguments.cap_minutes,
    )
    try:
        tests = [test for one in arguments.data for test in read_tests(one)]
    except DataError as error:
        sys.exit(f"{parser.prog}: {error}")
    print(describe_machine("numpy"))
    print(f"seed {settings.seed}, {settings.threads} thread(s), cap {settings.cap_minutes:g} min\n")
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    versions = set()
    for test in tests:
        for peer in settings.pythons:
            result = run_peer(peer, test, settings)
            versions.add(result["versions"])
            print(format_row(peer, test, result), flush=True)
    print(f"\n{'; '.join(sorted(versions))}")


def read_tests(text: str) -> list[Test]:
    """The tests that ``DATA:FOLD:FOLD`` names.

    Raises:
        DataError: A fold is unknown, or data without folds have no splits.
    """
    path, *folds = text.split(":")
    manifest = read_manifest(Path(path))
    name = Path(path).stem
    if not folds:
        if not all(one.split for one in manifest.recordings):
            raise DataError(f"{path}: no splits; name a fold, as in {path}:1")
        return [Test(name, "test", manifest)]
    known = fold_names(manifest)
    if unknown := [one for one in folds if one not in known]:
        raise DataError(f"{path}: no fold {unknown[0]!r}; there are {', '.join(known) or 'none'}")
    return [Test(name, fold, hold_out(manifest, fold)) for fold in folds]


def run_peer(peer: str, test: Test, settings: Settings) -> dict[str, Any]:
    """Trains and tests a peer in a process of its own, unless its result is there."""
    folder = settings.out / f"{test.data}_{test.name}_{peer}_{settings.seed}"
    stored = folder.with_suffix(".json")
    if stored.exists():
        return json.loads(stored.read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_table(test.manifest, folder / "recordings.csv")
    script = Path(__file__).with_name(f"train_{peer}.py")
    command = [settings.pythons[peer], script, folder / "recordings.csv", folder / "job"]
    options = ["--seed", settings.seed, "--cap-minutes", settings.cap_minutes]
    started_at, processor = time.perf_counter(), _children_seconds()
    with (folder / "log.txt").open("w") as log:
        subprocess.run(
            [str(one) for one in (*command, *options)],
            env={**os.environ, **_threads(settings.threads)},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    result = {
        **json.loads((folder / "job/facts.json").read_text(encoding="utf-8")),
        **count_right(test.manifest, folder / "job/predictions.csv"),
        "minutes": (time.perf_counter() - started_at) / 60,
        "processor_minutes": (_children_seconds() - processor) / 60,
    }
    stored.write_text(json.dumps(result), encoding="utf-8")
    return result


def write_table(manifest: Manifest, path: Path) -> None:
    """Writes what every peer is given, and the groups, which earmark alone reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "split", "group"))
        for one in manifest.recordings:
            writer.writerow((one.path.resolve(), one.labels[0], one.split, one.group))


def count_right(manifest: Manifest, predictions: Path) -> dict[str, int]:
    """How many recordings of the test split have the label that was predicted.

    Raises:
        KeyError: A recording has no prediction.
    """
    with predictions.open(encoding="utf-8", newline="") as file:
        predicted = {row["path"]: row["label"] for row in csv.DictReader(file)}
    test = [one for one in manifest.recordings if one.split == "test"]
    right = [predicted[str(one.path.resolve())] == one.labels[0] for one in test]
    return {"num_right": sum(right), "num_clips": len(right)}


def format_row(peer: str, test: Test, result: dict[str, Any]) -> str:
    """A row of the table."""
    cells = (
        test.data,
        test.name,
        peer,
        f"{result['network']}, {result['parameters']:,}",
        result["front_end"],
        result["length"],
        f"{result['num_right']} of {result['num_clips']}",
        f"{100 * result['num_right'] / result['num_clips']:.1f}",
        f"{result['minutes']:.1f}",
        f"{result['processor_minutes']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _threads(count: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(count))


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
