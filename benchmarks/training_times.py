"""How long ``earmark train`` takes on an idle machine, and beside busy processes.

``python benchmarks/training_times.py esc10.csv digits.csv music_speech.csv --store STORE``

Each data set is trained without settings, but for its first epochs alone and without the refit, or
with ``--whole`` as a user would; once beside nothing and once beside processes that only count,
unless ``--busy 0`` leaves that out. The features are computed before. The seconds are of the
command, start and baseline included, and those of an epoch, from the log of the run. The same
weights mean that the load has changed the time only.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.checksums import checksum
from machine import busy_processes, describe_machine, run_earmark


class Timed(NamedTuple):
    """A training that has ended.

    Args:
        seconds: Of the command.
        epoch_seconds: Mean of its epochs.
        num_threads: Those that it chose.
        weights: Checksum of its best weights.
    """

    seconds: float
    epoch_seconds: float
    num_threads: int
    weights: int


def main() -> None:
    """Prints a row a data set and state of the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, required=True, help="with or for the features")
    parser.add_argument("--busy", type=int, default=8, help="processes that only count")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--whole", action="store_true", help="all epochs, and the refit")
    arguments = parser.parse_args()
    first = (f"train.epochs={arguments.epochs}", "train.refit=false")
    print(describe_machine("torch"))
    columns = ("data", "busy processes", "threads", "s", "s an epoch", "times as long", "weights")
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for data in arguments.data:
        settings = () if arguments.whole else first
        train(data, arguments.store, ("train.epochs=1", "train.refit=false"))
        idle = train(data, arguments.store, settings)
        print(row(name(data), 0, idle, idle), flush=True)
        if arguments.busy:
            with busy_processes(arguments.busy):
                busy = train(data, arguments.store, settings)
            print(row(name(data), arguments.busy, busy, idle), flush=True)


def name(data: Path) -> str:
    """Of a data set: that of its folder where the file is called manifest."""
    return data.parent.name if data.stem == "manifest" else data.stem


def train(data: Path, store: Path, settings: Sequence[str]) -> Timed:
    """Trains with few settings, in a process of its own.

    Args:
        data: What to train on.
        store: Of the features.
        settings: Each ``section.key=value``.
    """
    given = [part for one in settings for part in ("--set", one)]
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder) / "run")
        started_at = time.perf_counter()
        run_earmark("train", data, "-o", run.path, "--store", store, *given)
        seconds = time.perf_counter() - started_at
        epochs = [one["elapsed_seconds"] for one in run.read_log()]
        threads = run.read_settings()["train"]["num_threads"]
        tensors = load_checkpoint(run.best).model.values()
        weights = checksum(b"".join(one.float().numpy().tobytes() for one in tensors))
    return Timed(seconds, sum(epochs) / len(epochs), threads, weights)


def row(data: str, num_busy: int, timed: Timed, idle: Timed) -> str:
    """A row of the table.

    Args:
        data: Name of the data set.
        num_busy: Processes beside the training.
        timed: The training.
        idle: The same on an idle machine.
    """
    same = "the same" if timed.weights == idle.weights else "**others**"
    cells = (
        *(data, f"{num_busy}", f"{timed.num_threads}", f"{timed.seconds:.0f}"),
        *(f"{timed.epoch_seconds:.2f}", f"{timed.epoch_seconds / idle.epoch_seconds:.1f}", same),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
