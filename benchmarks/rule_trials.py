"""What the rules of `auto` were chosen by: settings compared on folds that none of them trained on.

``python benchmarks/rule_trials.py esc10.csv --folds 2 3 4 5
--config benchmarks/settings/esc10_best.toml --set train.epochs=50
--trial "with noise: augment.noise=0.5"``

Each of the named folds is tested once, by a network of the last epoch that was trained on the other
named folds; with ``--test`` only these are tested, and all others train. Folds that are not named
take no part, so that a last test may be left. A trial is a name and settings, which are added to
the others.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import loky
import torch

from earmark.config import load_config
from earmark.data.manifest import Manifest, read_manifest
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.models.checkpoint import load_checkpoint
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime
from earmark.training.recipes.prepare import prepare
from earmark.training.train import train
from machine import describe_machine

LAST_EPOCH = "train.hold_out_validation=false"
CPU = Runtime(torch.device("cpu"))


@dataclass(frozen=True)
class Job:
    """One training and its test."""

    data: Path
    folds: tuple[str, ...]
    fold: str
    config: Path | None
    settings: tuple[str, ...]
    store: Path


@dataclass(frozen=True)
class Outcome:
    """What a test gave."""

    num_correct: int
    num_clips: int
    loss: float
    mean_average_precision: float | None
    excerpt_accuracy: float | None
    processor_seconds: float
    num_parameters: int


def main() -> None:
    """Prints a row a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", nargs="*", help="the folds that take part; all by default")
    parser.add_argument("--test", nargs="*", help="the folds that are tested; those by default")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--trial", dest="trials", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.data)
    folds = tuple(arguments.folds or sorted({one.fold or "" for one in manifest.recordings}))
    print(describe_machine("torch"))
    print("| trial | correct | accuracy | log-loss | mAP | excerpts | parameters | s a fold |")
    print("|---|---|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as store,
        loky.ProcessPoolExecutor(arguments.workers) as pool,
    ):
        for trial in ["as given", *arguments.trials]:
            name, _, more = trial.partition(":")
            settings = (LAST_EPOCH, *arguments.settings, *more.split())
            job = Job(arguments.data, folds, "", arguments.config, settings, Path(store))
            prepare(_part(job), load_config(job.config, settings), store=job.store)
            jobs = [
                replace(job, fold=fold, settings=(*settings, f"train.seed={seed}"))
                for seed in range(arguments.seeds)
                for fold in arguments.test or folds
            ]
            print(_row(name, list(pool.map(_run, jobs))), flush=True)


def _part(job: Job) -> Manifest:
    """The recordings that take part, with the fold as the test split."""
    manifest = read_manifest(job.data)
    recordings = tuple(
        replace(one, split="test" if one.fold == job.fold else "train")
        for one in manifest.recordings
        if one.fold in job.folds
    )
    return replace(manifest, recordings=recordings)


def _run(job: Job) -> Outcome:
    torch.set_num_threads(1)
    keep_freed_memory()
    config, manifest = load_config(job.config, job.settings), _part(job)
    started_at = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        result = train(manifest, run, config, device=CPU, store=job.store)
        seconds = time.process_time() - started_at
        tested = evaluate_checkpoint(
            load_checkpoint(run), manifest, runtime=CPU, store_root=job.store, run=run
        )
    scores = tested.scores
    return Outcome(
        num_correct=scores.num_correct,
        num_clips=scores.num_clips,
        loss=scores.loss,
        mean_average_precision=scores.ranks.mean_average_precision if scores.ranks else None,
        excerpt_accuracy=tested.excerpts.accuracy if tested.excerpts else None,
        processor_seconds=seconds,
        num_parameters=result.num_parameters,
    )


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    correct = sum(one.num_correct for one in outcomes)
    clips = sum(one.num_clips for one in outcomes)
    loss = sum(one.loss * one.num_clips for one in outcomes) / clips
    cells = [
        *(name, f"{correct} of {clips}", f"{correct / clips:.2%}", f"{loss:.4f}"),
        _mean([one.mean_average_precision for one in outcomes], ".4f"),
        _mean([one.excerpt_accuracy for one in outcomes], ".2%"),
        f"{outcomes[0].num_parameters:,}",
        _mean([one.processor_seconds for one in outcomes], ".0f"),
    ]
    return f"| {' | '.join(cells)} |"


def _mean(values: Sequence[float | None], style: str) -> str:
    known = [one for one in values if one is not None]
    return format(sum(known) / len(known), style) if known else "-"


if __name__ == "__main__":
    main()
