"""How well planted wrong labels are found: rankings of earmark and of cleanlab, side by side.

``python benchmarks/wrong_labels.py DATA... [--fractions 0.05 0.1 0.2] [--seeds 5] [--pairs]``

In each trial some clips, drawn by a seed, get another label, drawn among the others. Probabilities
are out of fold: those of the classical model of the package, or with ``--networks`` those of
`earmark cross-validate` with the settings of ``--set``. Folds are those of the manifest, or drawn
by group. ``--pairs`` makes the data multi-label first: each clip is the sum of two recordings of
different labels, of one fold, and a wrong label is one more or one less.

A ranking is measured by its average precision over all clips. `listed` is that of the list that
`earmark check` gives, in which the other clips do not count: a wrong label that is not listed is
never found. All rankings of a trial get the same probabilities.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.multilabel_classification import get_label_quality_scores as multi_scores
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score

from earmark.audio.reading import load_audio
from earmark.audit.wrong_labels import find_wrong_labels, label_scores
from earmark.config import Config, FeatureConfig, load_config
from earmark.data.folds import with_folds
from earmark.data.manifest import Manifest, read_manifest
from earmark.errors import EarmarkError
from earmark.evaluation.classical import clip_statistics, fit_classical
from earmark.features.log_mel import LogMel
from earmark.system.parallel import map_in_order
from earmark.system.shapes import Bool, Float64, Int
from earmark.tasks.task import MULTI_LABEL, Task, find_task, multi_hot
from earmark.tasks.temperature import fit_temperature
from earmark.training.cross_validation.run import Plan, cross_validate
from machine import describe_machine

NUM_FOLDS = 5
Rows = Float64[np.ndarray, "clips labels"]
Column = Float64[np.ndarray, " clips"]


@dataclass(frozen=True)
class Clips:
    """What is labelled.

    Args:
        name: Of the data.
        manifest: The recordings, one a clip, with folds; None for pairs.
        task: What the labels mean.
        labels: The vocabulary.
        statistics: Of the classical model, a row a clip; without rows for networks.
        targets: The labels as they are.
        folds: Fold of each clip.
        groups: Group of each clip.
    """

    name: str
    manifest: Manifest | None
    task: Task
    labels: tuple[str, ...]
    statistics: Float64[np.ndarray, "clips columns"]
    targets: Rows
    folds: Sequence[str]
    groups: Sequence[str]


Predict = Callable[[Clips, Rows], Rows]
"""Out-of-fold probabilities of clips with given labels."""


def main() -> None:
    """Prints a row a data set, a fraction and a ranking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--fractions", nargs="+", type=float, default=[0.05, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, default=5, help="trials of each fraction")
    parser.add_argument("--clips", type=int, help="of larger data so many are drawn")
    parser.add_argument("--pairs", action="store_true", help="sums of two recordings, multi-label")
    parser.add_argument("--networks", action="store_true", help="in place of the classical model")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    try:
        config = load_config(settings=["evaluate.baseline=false", *arguments.settings])
        predict = _by_networks(config) if arguments.networks else classical_probabilities
        print(describe_machine("cleanlab", "scikit-learn", "numpy"), end="\n\n")
        print(
            "| data | wrong | ranking | average precision | lowest | listed | precision | recall |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for path in arguments.data:
            manifest = draw(read_manifest(path), arguments.clips)
            clips = read_clips(manifest, pairs=arguments.pairs, networks=arguments.networks)
            for fraction in arguments.fractions:
                measure(clips, fraction, arguments.seeds, predict)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")


def measure(clips: Clips, fraction: float, num_seeds: int, predict: Predict) -> None:
    """Prints a row a ranking for one fraction of wrong labels: means over the seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    lists: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for seed in range(num_seeds):
        targets, is_wrong = plant(clips, fraction, seed)
        probabilities = predict(clips, targets)
        for name, scores in rankings(probabilities, targets, clips.task):
            found[name].append(float(average_precision_score(is_wrong, -scores)))
        for name, indices in listings(probabilities, targets, clips.task):
            lists[name].append(_measure_list(indices, is_wrong))
    for name, values in sorted(found.items(), key=lambda one: -float(np.mean(one[1]))):
        listed = [f"{mean:.3f}" for mean in np.mean(lists[name], axis=0)] if name in lists else []
        cells = (
            clips.name,
            f"{fraction:.0%}",
            name,
            f"{np.mean(values):.3f}",
            f"{min(values):.3f}",
        )
        print(f"| {' | '.join([*cells, *(listed or ['-'] * 3)])} |", flush=True)


def rankings(probabilities: Rows, targets: Rows, task: Task) -> Iterator[tuple[str, Column]]:
    """Scores of the labels of clips by each method; lower is more probably wrong."""
    yield "earmark", label_scores(probabilities, targets, task)
    if task is MULTI_LABEL:
        own = np.where(targets == 1, probabilities, 1.0 - probabilities)
        yield "most doubtful label", own.min(axis=1)
        labels = [list(map(int, np.flatnonzero(row))) for row in targets]
        for method in ("self_confidence", "normalized_margin"):
            scores = multi_scores(labels, probabilities, method=method)
            yield f"cleanlab: {method}", scores
        return
    given, logs = targets.argmax(axis=1), np.log(probabilities.clip(1e-6))
    means = [logs[given == one, one].mean() for one in range(targets.shape[1])]
    beside = logs - np.array(means)
    yield (
        "log-odds beside the mean of each label",
        (beside[targets == 1] - np.where(targets == 1, -np.inf, beside).max(axis=1)),
    )
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        scores = get_label_quality_scores(given, probabilities, method=method)
        yield f"cleanlab: {method}", scores
    for method in ("self_confidence", "normalized_margin"):
        scores = get_label_quality_scores(
            given, probabilities, method=method, adjust_pred_probs=True
        )
        yield f"cleanlab: {method}, adjusted", scores


def listings(probabilities: Rows, targets: Rows, task: Task) -> Iterator[tuple[str, Sequence[int]]]:
    """The clips that each method lists, the most probably wrong first."""
    found = find_wrong_labels(probabilities, targets, task)
    yield "earmark", [one.clip for one in found]
    is_multi_label = task is MULTI_LABEL
    sets = [list(map(int, np.flatnonzero(row))) for row in targets]
    given = sets if is_multi_label else targets.argmax(axis=1)
    for method in ("self_confidence", "normalized_margin"):
        listed = find_label_issues(
            given,
            probabilities,
            return_indices_ranked_by=method,
            multi_label=is_multi_label,
            n_jobs=1,
        )
        yield f"cleanlab: {method}", list(listed)


def _measure_list(
    indices: Sequence[int], is_wrong: Bool[np.ndarray, " clips"]
) -> tuple[float, float, float]:
    """Average precision, precision and recall of a list."""
    hits = is_wrong[list(indices)].astype(float)
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    number = is_wrong.sum()
    precision = hits.mean() if len(hits) else 0.0
    return float((precisions * hits).sum() / number), float(precision), float(hits.sum() / number)


def plant(clips: Clips, fraction: float, seed: int) -> tuple[Rows, Bool[np.ndarray, " clips"]]:
    """The labels with some wrong ones, and which they are."""
    rng = np.random.default_rng(seed)
    targets, number = clips.targets.copy(), round(fraction * len(clips.targets))
    is_wrong = np.zeros(len(targets), bool)
    for row in rng.permutation(len(targets))[:number]:
        is_wrong[row] = True
        other = int(rng.choice(np.flatnonzero(targets[row] == 0)))
        if clips.task is MULTI_LABEL:
            lost = int(rng.choice(np.flatnonzero(targets[row] == 1)))
            label = other if rng.random() < 0.5 else lost
            targets[row, label] = 1 - targets[row, label]
        else:
            targets[row] = 0
            targets[row, other] = 1
    return targets, is_wrong


def classical_probabilities(clips: Clips, targets: Rows) -> Rows:
    """Those of the classical model, calibrated on all folds together by one temperature."""
    logits = np.zeros((len(targets), clips.task.num_outputs(len(clips.labels))))
    folds = np.array(clips.folds)
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        groups = [clips.groups[int(row)] for row in train]
        model = fit_classical(clips.statistics[train], targets[train], groups, clips.task)
        logits[test] = model.logits(clips.statistics[test])
    # A distance from the boundary may be too small for a probability as well as too large.
    logits *= 10.0
    return clips.task.probabilities(logits / fit_temperature(logits, targets, clips.task))


def _by_networks(config: Config) -> Predict:
    def predict(clips: Clips, targets: Rows) -> Rows:
        assert clips.manifest
        recordings = tuple(
            replace(one, labels=tuple(clips.labels[label] for label in np.flatnonzero(row)))
            for one, row in zip(clips.manifest.recordings, targets, strict=True)
        )
        planted = replace(clips.manifest, recordings=recordings)
        with tempfile.TemporaryDirectory() as folder:
            found = cross_validate(planted, Plan(folder=Path(folder) / "cv"), config)
        rows = [found.by_clip[one.name] for one in recordings]
        return np.array([np.mean([one.probabilities for one in row], axis=0) for row in rows])

    return predict


def draw(manifest: Manifest, number: int | None) -> Manifest:
    """Some of the recordings, in order; all of them if there are no more."""
    chosen = np.random.default_rng(0).permutation(len(manifest))[:number]
    return replace(manifest, recordings=tuple(manifest.recordings[one] for one in sorted(chosen)))


def read_clips(manifest: Manifest, *, pairs: bool, networks: bool) -> Clips:
    """The clips of a data set, with folds, and for the classical model with statistics."""
    manifest = with_folds(manifest, None if _have_folds(manifest) else NUM_FOLDS, 0)
    task = find_task((one.labels for one in manifest.recordings), len(manifest.labels))
    recordings = manifest.recordings
    clips = Clips(
        *(manifest.source.stem, manifest, task, manifest.labels, np.zeros((0, 0))),
        multi_hot([manifest.targets(one) for one in recordings], len(manifest.labels)),
        [one.fold or "" for one in recordings],
        [one.group for one in recordings],
    )
    if networks:
        return clips
    frames = _read_frames(manifest)
    if pairs:
        return _pair(clips, frames)
    return replace(clips, statistics=np.array([clip_statistics(one) for one in frames]))


def _have_folds(manifest: Manifest) -> bool:
    return all(one.fold for one in manifest.recordings)


def _read_frames(manifest: Manifest) -> list[np.ndarray]:
    log_mel = LogMel(FeatureConfig())

    def read(one: int) -> np.ndarray:
        recording = manifest.recordings[one]
        excerpt, rate = recording.excerpt, log_mel.config.sample_rate
        sound = load_audio(recording.path, rate, start=excerpt.start, end=excerpt.end)
        return log_mel(sound.samples).T.astype(np.float16)

    return [future.result() for _, future in map_in_order(read, range(len(manifest)))]


def _pair(clips: Clips, frames: Sequence[np.ndarray]) -> Clips:
    """Sums of two recordings of different labels, each recording in two of them."""
    rng, folds = np.random.default_rng(0), np.array(clips.folds)
    chosen: list[tuple[int, int]] = []
    for fold in np.unique(folds):
        rows: Int[np.ndarray, " rows"] = np.flatnonzero(folds == fold)
        for first in rows:
            differ = clips.targets[rows].argmax(axis=1) != clips.targets[first].argmax()
            chosen.append((int(first), int(rng.choice(rows[differ]))))
    statistics, targets = [], []
    for first, second in chosen:
        length = min(len(frames[first]), len(frames[second]))
        levels = [10.0 ** (frames[one][:length].astype(float) / 10.0) for one in (first, second)]
        statistics.append(clip_statistics(10.0 * np.log10(sum(levels) + 1e-20)))
        targets.append(np.maximum(clips.targets[first], clips.targets[second]))
    return replace(
        clips,
        name=f"{clips.name}, pairs",
        manifest=None,
        task=MULTI_LABEL,
        statistics=np.array(statistics),
        targets=np.array(targets),
        groups=[clips.groups[first] for first, _ in chosen],
    )


if __name__ == "__main__":
    main()
