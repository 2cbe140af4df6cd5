"""How well sound that a model never met is told from sound like its training: labels left out.

``python benchmarks/unknown_sounds.py esc10.csv --folds 1 --store store``

For each label, and each fold of the manifest, a network is trained on the other folds without the
label, to its last epoch and with the settings that a training without that label chooses. The clips
of the fold with other labels are known sound, all clips with the label are unknown. Each score is
computed from the same embeddings: `model` is the one that the model file holds. AUROC is the area
under the ROC curve; 0.5 is chance.
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
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp
from sklearn.covariance import OAS
from sklearn.metrics import roc_auc_score

from earmark.config import load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import OrderedLoader
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.preparation import prepare_once
from earmark.evaluation.evaluate import embedding_logits, window_embeddings
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid
from earmark.models.checkpoint import load_checkpoint
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime
from earmark.tasks.novelty import Novelty
from earmark.tasks.pooling import pool_novelty
from earmark.tasks.task import MULTI_CLASS
from earmark.training.recipes.configure import configure
from earmark.training.train import train
from machine import describe_machine

CPU = Runtime(torch.device("cpu"))


@dataclass(frozen=True)
class Trial:
    """What a network that has not met a label makes of all clips.

    Args:
        embeddings: Mean over the windows of each clip.
        labels: Index of each clip's label among the known ones; -1 for the label left out.
        is_trained: Which clips were trained on.
        is_tested: Which clips are tested on: known ones of the fold and all unknown ones.
        weight: Of the classifier.
        bias: Of the classifier.
        model: The score of each clip by the model file.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    is_trained: np.ndarray
    is_tested: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    model: np.ndarray


def main() -> None:
    """Prints a row a score, with a column a label; then the mean and the lowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", nargs="+", required=True)
    parser.add_argument("--labels", nargs="+", help="only these are left out")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--store", type=Path, required=True, help="folder of features")
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at once")
    arguments = parser.parse_args()
    known_labels = read_manifest(arguments.data).labels
    labels = arguments.labels or known_labels
    if unknown := set(labels).difference(known_labels):
        parser.error(f"no such label: {', '.join(sorted(unknown))}")
    settings = ["train.hold_out_validation=false", *arguments.settings]
    print(describe_machine("torch", "numpy", "scikit-learn"))
    print(f"{arguments.config}, {' '.join(settings)}, folds {' '.join(arguments.folds)}\n")
    areas: dict[str, dict[str, list[float]]] = {}
    with loky.ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = {
            (label, fold): pool.submit(_try_without, arguments, settings, label, fold)
            for label in labels
            for fold in arguments.folds
        }
        for (label, _), job in jobs.items():
            trial = job.result()
            unknown = trial.labels[trial.is_tested] < 0
            for name, scores in _scores(trial).items():
                row = areas.setdefault(name, {})
                row.setdefault(label, []).append(roc_auc_score(unknown, scores))
            print(f"without {label}: {areas['model'][label][-1]:.3f}", file=sys.stderr, flush=True)
    _print_table(areas, labels)


def _print_table(areas: dict[str, dict[str, list[float]]], labels: Sequence[str]) -> None:
    print(f"| score | {' | '.join(labels)} | mean | lowest |")
    print("|---|" + "---|" * (len(labels) + 2))
    means = {name: [float(np.mean(row[label])) for label in labels] for name, row in areas.items()}
    for name, row in sorted(means.items(), key=lambda item: -np.mean(item[1])):
        cells = (f"{one:.3f}" for one in (*row, np.mean(row), min(row)))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _try_without(
    arguments: argparse.Namespace, settings: Sequence[str], label: str, fold: str
) -> Trial:
    torch.set_num_threads(1)
    keep_freed_memory()
    manifest = read_manifest(arguments.data)
    known = _without(manifest, label, fold)
    given = load_config(arguments.config, settings=settings)
    config = configure(known, given, store=arguments.store).config
    with tempfile.TemporaryDirectory() as folder:
        train(known, f"{folder}/run", config, device=CPU, store=arguments.store)
        checkpoint = load_checkpoint(Path(folder) / "run")
    network, spec = checkpoint.build(), checkpoint.spec
    assert checkpoint.novelty is not None
    store = FeatureStore(arguments.store, config.features)
    prepared = prepare_once(manifest.recordings, store, CPU)
    recordings = [one for one in manifest.recordings if one.name in prepared.keys]
    windows = AudioDataset(
        store,
        [Clip(one.name, prepared.keys[one.name], ()) for one in recordings],
        WindowGrid(spec.window_frames, config.predict.overlap),
        num_labels=len(spec.labels),
    )
    embeddings = window_embeddings(network, OrderedLoader(windows, CPU), CPU)
    is_unknown = np.array([label in one.labels for one in recordings])
    is_fold = np.array([one.fold == fold for one in recordings])
    return Trial(
        pool_novelty(embeddings, windows.window_clips),
        np.array(
            [-1 if label in one.labels else spec.labels.index(one.labels[0]) for one in recordings]
        ),
        ~is_fold & ~is_unknown,
        is_fold | is_unknown,
        network.classifier.weight.detach().double().numpy(),
        network.classifier.bias.detach().double().numpy(),
        pool_novelty(
            checkpoint.novelty.score(embeddings, embedding_logits(network, embeddings)),
            windows.window_clips,
        ),
    )


def _without(manifest: Manifest, label: str, fold: str) -> Manifest:
    recordings = tuple(
        replace(one, split="test" if one.fold == fold else "train")
        for one in manifest.recordings
        if label not in one.labels
    )
    labels = tuple(one for one in manifest.labels if one != label)
    return replace(manifest, recordings=recordings, labels=labels)


def _scores(trial: Trial) -> dict[str, np.ndarray]:
    """Scores of the tested clips, high for unknown sound."""
    known, tested = trial.embeddings[trial.is_trained], trial.embeddings[trial.is_tested]
    labels = trial.labels[trial.is_trained]
    logits = tested @ trial.weight.T + trial.bias
    means = np.array([known[labels == one].mean(axis=0) for one in range(labels.max() + 1)])
    deviations, overall = known - means[labels], known.mean(axis=0)
    found = {
        "model": trial.model[trial.is_tested],
        "maximum logit": -logits.max(axis=1),
        "maximum probability": -log_softmax(logits, axis=1).max(axis=1),
        "energy": -logsumexp(logits, axis=1),
        "class mean, Euclidean": cdist(tested, means).min(axis=1),
        "class mean, cosine": cdist(tested - overall, means - overall, "cosine").min(axis=1),
        "nearest neighbour, Euclidean": cdist(tested, known).min(axis=1),
        "nearest neighbour, cosine": cdist(tested, known, "cosine").min(axis=1),
        "Mahalanobis of logits": _mahalanobis_of_logits(trial, logits),
    }
    within = OAS(assume_centered=True).fit(deviations).precision_
    total = OAS(assume_centered=True).fit(known - overall).precision_
    squares = cdist(tested, means, "mahalanobis", VI=within) ** 2
    found["Mahalanobis, all directions"] = squares.min(axis=1)
    background = cdist(tested, overall[None], "mahalanobis", VI=total)[:, 0] ** 2
    found["relative Mahalanobis"] = squares.min(axis=1) - background
    for number in (2, 4, 8, 16, 32, 64):
        name = f"Mahalanobis, {number} directions"
        found[name] = _low_rank(means, deviations, number).distances(tested).min(axis=1)
    found["virtual logit"] = _virtual_logit(trial, logits)
    return found


def _low_rank(means: np.ndarray, deviations: np.ndarray, number: int) -> Novelty:
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    variances, directions = variances[::-1], directions[:, ::-1]
    kept = np.append(variances[:number], variances[number:].mean())
    usual = np.array([0.0, 1.0, 0.0, 1.0])
    return Novelty(MULTI_CLASS, means, np.eye(len(means)), directions[:, :number], kept, usual)


def _mahalanobis_of_logits(trial: Trial, logits: np.ndarray) -> np.ndarray:
    labels = trial.labels[trial.is_trained]
    known = trial.embeddings[trial.is_trained] @ trial.weight.T + trial.bias
    means = np.array([known[labels == one].mean(axis=0) for one in range(labels.max() + 1)])
    precision = OAS(assume_centered=True).fit(known - means[labels]).precision_
    return cdist(logits, means, "mahalanobis", VI=precision).min(axis=1)


def _virtual_logit(trial: Trial, logits: np.ndarray) -> np.ndarray:
    """Virtual-logit matching: Wang et al. (2022), ViM, arXiv:2203.10807."""
    origin = -np.linalg.pinv(trial.weight) @ trial.bias
    known, tested = (trial.embeddings[one] - origin for one in (trial.is_trained, trial.is_tested))
    _, directions = np.linalg.eigh(known.T @ known)
    rest = directions[:, : -2 * len(trial.weight)]
    lengths = np.linalg.norm(known @ rest, axis=1)
    largest = (known @ trial.weight.T).max(axis=1)
    scale = largest.mean() / lengths.mean()
    return scale * np.linalg.norm(tested @ rest, axis=1) - logsumexp(logits, axis=1)


if __name__ == "__main__":
    main()
