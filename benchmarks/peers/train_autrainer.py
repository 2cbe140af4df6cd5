"""autrainer as its quick start trains a network on audio, "Spectrogram Classification".

Cnn10 on log-mel spectrograms at 32 kHz, Adam with a learning rate of 0.001, batches of 32, five
epochs, a loss balanced by label; the best epoch by accuracy on the validation split is tested. The
quick start begins from weights trained on AudioSet, which are fetched from the network;
here the same network begins from random weights (autrainer's ``Cnn10`` for its ``Cnn10-32k-T``).
Clips of unequal length are padded to the longest, as in its configuration of EmoDB.
"""

import csv
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from compiled_parts import do_without_compiled_parts
from job import Facts, Job, run_job, versions_of

EPOCHS = 5
SAMPLE_RATE, HOP = 32_000, 320
"""Of its preprocessing ``log_mel_32k``."""
SUBSETS = {"train": "train", "validation": "dev", "test": "test"}
CONFIG = """defaults:
  - _autrainer_
  - _self_

results_dir: results
experiment_id: data
iterations: {epochs}
device: cpu
progress_bar: false

hydra:
  sweeper:
    params:
      +seed: {seed}
      +batch_size: 32
      +learning_rate: 0.001
      dataset: Data-32k
      model: Cnn10
      optimizer: Adam
"""
DATASET = """id: Data-32k
_target_: autrainer.datasets.BaseClassificationDataset

path: data
features_subdir: log_mel_32k
index_column: filename
target_column: label
file_type: npy
file_handler: autrainer.datasets.utils.NumpyFileHandler

criterion: autrainer.criterions.BalancedCrossEntropyLoss
metrics:
  - autrainer.metrics.Accuracy
  - autrainer.metrics.UAR
  - autrainer.metrics.F1
tracking_metric: autrainer.metrics.Accuracy

transform:
  type: grayscale
  base:
    - autrainer.transforms.Expand:
        size: {frames}
        axis: -2
"""


class _CapReachedError(Exception):
    """Another epoch would take more than the job may."""


@dataclass
class Progress:
    """What the training did.

    Args:
        epochs: Epochs that were validated.
        parameters: Of the network.
    """

    epochs: int = 0
    parameters: int = 0


def train(job: Job) -> tuple[Mapping[str, str], Facts]:
    """Makes an autrainer project in the folder of the job, then preprocesses, trains and tests."""
    do_without_compiled_parts()
    from autrainer import cli

    os.chdir(job.out)
    # What is left on the command line would go to Hydra.
    del sys.argv[1:]
    names = _write_project(job)
    progress = _stop_at_cap(job.cap_seconds)
    cli.preprocess(update_frequency=0)
    cli.train()
    facts = Facts(
        network="Cnn10",
        parameters=progress.parameters,
        front_end="32 kHz, 64 mel bands",
        length=f"{progress.epochs} of {EPOCHS} epochs",
        versions=versions_of("autrainer", "torch"),
    )
    return _read_predictions(job, names), facts


def _stop_at_cap(cap_seconds: float) -> Progress:
    """Makes trainers stop before an epoch that would end after the cap; the best so far is tested.

    autrainer has no limit of time, so the two methods are wrapped.
    """
    from autrainer.training import ModularTaskTrainer

    train_epochs, evaluate = ModularTaskTrainer.train_epochs, ModularTaskTrainer.evaluate
    progress, ends = Progress(), []

    def train_capped(trainer: ModularTaskTrainer) -> None:
        progress.parameters = sum(one.numel() for one in trainer.model.parameters())
        ends.append(time.process_time())
        with suppress(_CapReachedError):
            train_epochs(trainer)

    def evaluate_and_look(
        trainer: ModularTaskTrainer, epoch: int, *args: Any, **options: Any
    ) -> Any:
        result = evaluate(trainer, epoch, *args, **options)
        if epoch > 0:
            progress.epochs = epoch
            ends.append(time.process_time())
            if epoch < EPOCHS and 2 * ends[-1] - ends[-2] > cap_seconds:
                raise _CapReachedError
        return result

    ModularTaskTrainer.train_epochs = train_capped
    ModularTaskTrainer.evaluate = evaluate_and_look
    return progress


def _write_project(job: Job) -> Mapping[str, str]:
    """Writes settings, tables and links to the files; from paths to the names of the links."""
    sound = Path("data/default")
    sound.mkdir(parents=True)
    names, frames = {}, 0
    for split, subset in SUBSETS.items():
        rows = [("filename", "label")]
        for path, label in job.read(split):
            names[path] = f"{len(names):05d}{Path(path).suffix}"
            (sound / names[path]).symlink_to(path)
            frames = max(frames, int(soundfile.info(path).duration * SAMPLE_RATE / HOP) + 2)
            rows.append((names[path], label))
        with Path(f"data/{subset}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    settings = CONFIG.format(seed=job.seed, epochs=EPOCHS)
    for name, text in {
        "config": settings,
        "dataset/Data-32k": DATASET.format(frames=frames),
    }.items():
        path = Path(f"conf/{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return names


def _read_predictions(job: Job, names: Mapping[str, str]) -> Mapping[str, str]:
    (results,) = Path("results").rglob("_test/test_results.csv")
    with results.open(encoding="utf-8", newline="") as file:
        found = {int(row["index"]): row["predictions"] for row in csv.DictReader(file)}
    return {path: found[index] for index, (path, _) in enumerate(job.read("test"))}


if __name__ == "__main__":
    run_job(train, __doc__)
