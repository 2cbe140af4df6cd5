"""How well sound that a model never met is told from sound like its training: labels left out.

``python benchmarks/unknown_sounds.py esc10.csv --folds 1 --store store``

For each label, and each fold of the manifest, a network is trained on the other folds without the
label, to its last epoch and with the settings that a training without that label chooses. The clips
of the fold with other labels are known sound, all clips with the label are unknown. ``--labels
"Rain+Dog bark" ...`` leaves both out of one network, which is tested with each. With ``--others``,
the recordings of another manifest are unknown sound too. With ``--runs``, networks are kept, and
those that are there are not trained again. Each score is computed from the same embeddings: `model`
is the one that the model file holds. AUROC is the area under the ROC curve; 0.5 is chance.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import loky
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from earmark.config import load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_once
from earmark.evaluation.evaluate import window_embeddings
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import Checkpoint, load_checkpoint
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime
from earmark.tasks.pooling import pool_novelty
from earmark.training.recipes.configure import configure
from earmark.training.train import train
from machine import describe_machine
from novelty_scores import Windows, all_scores

CPU = Runtime(torch.device("cpu"))
OTHERS = "others"

Areas = dict[str, dict[str, float]]
"""Score to unknown sound to the area under its curve."""


@dataclass(frozen=True)
class Trial:
    """A network to train and to test.

    Args:
        data: All recordings.
        left_out: Labels that it does not meet.
        fold: That is tested.
        others: Recordings of other data, which are unknown sound too.
        config: Settings in a file.
        settings: More settings.
        store: Folder of features.
        runs: Folder that keeps the networks; None for none.
    """

    data: Path
    left_out: tuple[str, ...]
    fold: str
    others: Path | None
    config: Path | None
    settings: tuple[str, ...]
    store: Path
    runs: Path | None


def main() -> None:
    """Prints a row a score, with a column a label; then the mean and the lowest."""
    arguments = _parse()
    settings = ("train.hold_out_validation=false", *arguments.settings)
    print(describe_machine("torch", "numpy", "scikit-learn"))
    print(f"{arguments.config}, {' '.join(settings)}, folds {' '.join(arguments.folds)}\n")
    given = (arguments.others, arguments.config, settings, arguments.store, arguments.runs)
    trials = [
        Trial(arguments.data, tuple(labels.split("+")), fold, *given)
        for labels in arguments.labels
        for fold in arguments.folds
    ]
    table: dict[str, dict[str, list[float]]] = {}
    with loky.ProcessPoolExecutor(arguments.jobs) as pool:
        for trial, areas in zip(trials, pool.map(run_trial, trials), strict=True):
            for name, row in areas.items():
                for unknown, area in row.items():
                    table.setdefault(name, {}).setdefault(unknown, []).append(area)
            found = ", ".join(f"{kind} {area:.3f}" for kind, area in areas["model"].items())
            print(f"fold {trial.fold}: {found}", file=sys.stderr, flush=True)
    _print_table(table)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", nargs="+", required=True)
    parser.add_argument("--labels", nargs="+", help="only these are left out")
    parser.add_argument("--others", type=Path, help="manifest of more unknown sound")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--store", type=Path, required=True, help="folder of features")
    parser.add_argument("--runs", type=Path, help="folder that keeps the networks")
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at once")
    arguments = parser.parse_args()
    known = read_manifest(arguments.data).labels
    arguments.labels = arguments.labels or known
    left_out = {one for labels in arguments.labels for one in labels.split("+")}
    if unknown := left_out.difference(known):
        parser.error(f"no such label: {', '.join(sorted(unknown))}")
    return arguments


def _print_table(table: dict[str, dict[str, list[float]]]) -> None:
    unknown = sorted(table["model"], key=lambda one: (one == OTHERS, one))
    labels = [one for one in unknown if one != OTHERS]
    print(f"| score | {' | '.join(unknown)} | mean of labels | lowest |")
    print("|---|" + "---|" * (len(unknown) + 2))
    rows = {name: {one: float(np.mean(row[one])) for one in unknown} for name, row in table.items()}
    means = {name: float(np.mean([row[one] for one in labels])) for name, row in rows.items()}
    for name in sorted(means, key=means.__getitem__, reverse=True):
        lowest = min(rows[name][one] for one in labels)
        cells = (f"{one:.3f}" for one in (*rows[name].values(), means[name], lowest))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def run_trial(trial: Trial) -> Areas:
    """Trains a network, unless it is kept, and compares the scores on it."""
    torch.set_num_threads(1)
    keep_freed_memory()
    manifest = read_manifest(trial.data)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = _train_without(trial, manifest, trial.runs or Path(folder))
    store = FeatureStore(trial.store, checkpoint.spec.config.features)
    clips = _describe(manifest, store, trial)
    if trial.others:
        others = _describe(read_manifest(trial.others), store, trial)
        clips += [replace(one, unknown=OTHERS, is_tested=True) for one in others]
    with threadpool_limits(1):
        windows, window_clips = _embed(checkpoint, store, clips)
        found = all_scores(windows)
    unknown = np.array([one.unknown for one in clips])
    is_tested = np.array([one.is_tested for one in clips])
    areas: Areas = {}
    for name, scores in found.items():
        pooled = pool_novelty(scores, window_clips)
        for kind in sorted(set(unknown.tolist()) - {""}):
            shown = is_tested & np.isin(unknown, ("", kind))
            areas.setdefault(name, {})[kind] = roc_auc_score(unknown[shown] == kind, pooled[shown])
    return areas


def _train_without(trial: Trial, manifest: Manifest, folder: Path) -> Checkpoint:
    left_out = set(trial.left_out)
    recordings = tuple(
        replace(one, split="test" if one.fold == trial.fold else "train")
        for one in manifest.recordings
        if not left_out.intersection(one.labels)
    )
    labels = tuple(one for one in manifest.labels if one not in left_out)
    known = replace(manifest, recordings=recordings, labels=labels)
    given = load_config(trial.config, settings=trial.settings)
    config = configure(known, given, store=trial.store).config
    run = folder / f"{trial.data.stem}-{trial.fold}-{'+'.join(trial.left_out)}"
    train(known, run, config, device=CPU, store=trial.store)
    return load_checkpoint(run)


@dataclass(frozen=True)
class _TestClip:
    """A clip, the label that makes it unknown (or none), and whether it is of the tested fold."""

    clip: Clip
    label: str
    unknown: str
    is_tested: bool


def _describe(manifest: Manifest, store: FeatureStore, trial: Trial) -> list[_TestClip]:
    keys = prepare_once(manifest.recordings, store, CPU).keys
    clips = []
    for one in manifest.recordings:
        if one.name in keys:
            unknown = next((label for label in one.labels if label in trial.left_out), "")
            is_tested = bool(unknown) or one.fold == trial.fold
            clip = Clip(one.name, keys[one.name], ())
            clips.append(_TestClip(clip, one.labels[0], unknown, is_tested))
    return clips


def _embed(
    checkpoint: Checkpoint, store: FeatureStore, clips: Sequence[_TestClip]
) -> tuple[Windows, np.ndarray]:
    """The windows as the scores want them, and the number of each one's clip."""
    network, spec = checkpoint.build(), checkpoint.spec
    grid = WindowGrid(spec.window_frames, spec.config.predict.overlap)
    dataset = AudioDataset(store, [one.clip for one in clips], grid, num_labels=len(spec.labels))
    labels = [-1 if one.unknown else spec.labels.index(one.label) for one in clips]
    is_trained = [not one.is_tested for one in clips]
    weight, bias = (one.detach().double().numpy() for one in network.classifier.parameters())
    windows = Windows(
        window_embeddings(network, OrderedLoader(dataset, CPU), CPU),
        np.array(labels)[dataset.window_clips],
        np.array(is_trained)[dataset.window_clips],
        weight,
        bias,
    )
    return windows, dataset.window_clips


if __name__ == "__main__":
    main()
