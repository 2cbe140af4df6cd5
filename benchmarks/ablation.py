"""What each augmentation and training option adds to the default recipe, one change at a time.

``python benchmarks/ablation.py path/to/music_speech_subset``
``python benchmarks/ablation.py path/to/esc10.csv --folds 2 3 4 5 --set train.epochs=30``

Only validation data are scored: of data with splits the testing part is left out, of data with
folds those that are not named. What is left is split anew for every seed, by group: 60 % train,
20 % say when to stop, 20 % are scored, whole and second by second. A change meets the splits and
seeds that the defaults meet, so the differences are paired; their intervals are Student's over the
seeds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import loky
import numpy as np
import torch
from scipy import stats

from earmark.config import Config, load_config
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.splits import with_splits
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime
from earmark.training.recipes.prepare import prepare
from earmark.training.train import train
from machine import describe_machine

CHANGES = {
    "no stretch": ["augment.time_stretch=0.0"],
    "no gain": ["augment.gain_db=0.0"],
    "no noise": ["augment.noise=0.0"],
    "no time mask": ["augment.time_masks=0"],
    "no augmentation": [
        "augment.time_stretch=0.0",
        "augment.gain_db=0.0",
        "augment.noise=0.0",
        "augment.time_masks=0",
    ],
    "roll": ["augment.roll=1.0"],
    "warp 0.1": ["augment.frequency_warp=0.1"],
    "filter 6 dB": ["augment.filter_db=6.0"],
    "mixup": ["augment.mixup=0.5"],
    "between-class mixing": [
        "augment.mixup=0.5",
        "augment.mixup_domain=energy",
        "augment.mixup_alpha=1",
    ],
    "band statistics (Freq-MixStyle)": ["augment.freq_mixstyle=0.5"],
    "frequency mask": ["augment.frequency_masks=1"],
    "constant step size": ["train.lr_schedule=constant", "train.warmup_fraction=0.0"],
    "one cycle, 20 % warm-up": ["train.lr_schedule=one_cycle", "train.warmup_fraction=0.2"],
    "no moving average": ["train.ema_decay=0.0"],
    "moving average 0.98": ["train.ema_decay=0.98"],
    "clipping at 1": ["train.max_grad_norm=1.0"],
    "label smoothing 0.1": ["train.label_smoothing=0.1"],
    "batches of 2 x 16": ["train.batch_size=16", "train.grad_accumulation_steps=2"],
    "bfloat16": ["train.precision=bfloat16"],
    "mean and maximum over frames": ["model.head=mean_max"],
    "surest window decides": ["predict.pooling=max"],
    "surer windows weigh more": ["predict.pooling=attention"],
}
WINDOWS = "evaluate.excerpt_seconds=1.0"


@dataclass(frozen=True)
class Job:
    """One training with one change and one seed."""

    data: Path
    folds: tuple[str, ...]
    store: Path
    settings: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """Fractions of whole clips and of seconds that are right, and the log-loss of clips."""

    clips: float
    windows: float
    loss: float


def main() -> None:
    """Prints a row a change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", nargs="*", default=[], help="the folds that take part")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--only", nargs="*", choices=CHANGES, default=list(CHANGES))
    arguments = parser.parse_args()
    settings = ("recipe.name=classic", WINDOWS, *arguments.settings)
    print(describe_machine("torch"))
    print(f"data: {arguments.data.name}, settings: {' '.join(arguments.settings) or 'default'}")
    with tempfile.TemporaryDirectory() as folder, loky.ProcessPoolExecutor(2) as pool:
        base = Job(arguments.data, tuple(arguments.folds), Path(folder), settings, 0)
        parts = _part(base)
        prepare(parts, load_config(settings=settings), store=base.store)
        print(f"{len(parts)} recordings, {arguments.seeds} seeds\n")
        print("| change | clips | difference | seconds alone | difference | log-loss |")
        print("|---|---|---|---|---|---|")
        waiting = {
            name: [
                pool.submit(_run, replace(base, settings=(*settings, *change), seed=seed))
                for seed in range(arguments.seeds)
            ]
            for name, change in (("defaults", []), *((one, CHANGES[one]) for one in arguments.only))
        }
        default: Sequence[Outcome] = []
        for name, futures in waiting.items():
            outcomes = [future.result() for future in futures]
            default = default or outcomes
            print(_row(name, outcomes, default), flush=True)


def _part(job: Job) -> Manifest:
    """The recordings that take part, without splits."""
    manifest = read_manifest(job.data)
    recordings = tuple(
        replace(one, split=None)
        for one in manifest.recordings
        if (one.fold in job.folds if job.folds else one.split != "test")
    )
    return replace(manifest, recordings=recordings)


def _run(job: Job) -> Outcome:
    torch.set_num_threads(1)
    keep_freed_memory()
    config: Config = load_config(
        settings=[*job.settings, f"train.seed={job.seed}", f"train.split_seed={job.seed}"]
    )
    manifest = with_splits(_part(job), config.train)
    runtime = Runtime(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train(manifest, run, config, device=runtime, store=job.store)
        tested = evaluate_checkpoint(
            load_checkpoint(run), manifest, runtime=runtime, store_root=job.store, run=run
        )
    assert tested.excerpts is not None
    return Outcome(tested.scores.accuracy, tested.excerpts.accuracy, tested.scores.loss)


def _row(name: str, outcomes: Sequence[Outcome], default: Sequence[Outcome]) -> str:
    cells = [name]
    for key in ("clips", "windows"):
        own, base = (np.array([getattr(one, key) for one in each]) for each in (outcomes, default))
        cells += [f"{own.mean():.2%}", _difference(own - base)]
    return f"| {' | '.join(cells)} | {np.mean([one.loss for one in outcomes]):.4f} |"


def _difference(pairs: np.ndarray) -> str:
    """Mean of paired differences in points, with its 95 % interval."""
    if not pairs.any():
        return ""
    half = stats.t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs))
    return f"{100 * pairs.mean():+.2f} ± {100 * half:.2f}"


if __name__ == "__main__":
    main()
