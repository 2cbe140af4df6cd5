"""What any network has to beat: the most common label, and the classical model of the package.

``python benchmarks/baselines.py path/to/data [--window-seconds 1.0] [--parts]``

The classical model is `earmark.evaluation.classical`: a support vector machine on statistics of
log-mel frames, whose parameters are chosen on folds by group of the training part; the test never
takes part in it. With ``--parts`` each part of the statistics is also left out, and used alone.

Data with splits are tested on the test split after training on the rest. Other data are tested in
folds: those that the manifest names, else ten by group, stratified by label.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import logit
from sklearn.model_selection import StratifiedGroupKFold

from earmark.audio.reading import load_audio
from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.labels import require_labels
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.errors import DataError, EarmarkError
from earmark.evaluation.classical import NUM_COEFFICIENTS, clip_statistics, fit_classical
from earmark.evaluation.metrics.scores import Predictions, Scores, score
from earmark.features.log_mel import LogMel
from earmark.features.store import ClipKey
from earmark.system.parallel import map_in_order
from earmark.system.shapes import Float64, Int
from earmark.tasks.task import BINARY, MULTI_LABEL, Task, find_task, multi_hot
from machine import describe_machine

NUM_FOLDS = 10
PARTS = ("coefficients", "slopes", "loud frames", "bands")
"""Of the statistics, in the order of their columns."""

Rows = Float64[np.ndarray, "rows columns"]
Indices = Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class Examples:
    """Clips, or stretches of them, with what is to be learnt.

    Args:
        task: What the labels mean.
        labels: The vocabulary.
        clips: A clip an example.
        recordings: Where each comes from.
        features: A row an example.
    """

    task: Task
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    recordings: tuple[Recording, ...]
    features: Rows

    @property
    def targets(self) -> Rows:
        """A row an example, 1 for the labels that it has."""
        return multi_hot([clip.targets for clip in self.clips], len(self.labels))

    @property
    def groups(self) -> list[str]:
        """The group of each."""
        return [clip.group for clip in self.clips]


@dataclass(frozen=True)
class Turn:
    """A test and what to train on for it.

    Args:
        train: Rows to train on.
        test: Rows to score.
    """

    train: Indices
    test: Indices


def main() -> None:
    """Prints a table, a row a baseline, and the accuracy of each fold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--window-seconds", type=float, help="score stretches of clips, each alone")
    parser.add_argument("--parts", action="store_true", help="each part left out, and alone")
    parser.add_argument("--seed", type=int, default=0, help="of folds that the data do not name")
    arguments, accuracies = parser.parse_args(), {}
    try:
        examples = read_examples(read_manifest(arguments.data), arguments.window_seconds)
        turns = make_turns(examples, arguments.seed)
        print(describe_machine("scikit-learn", "numpy", "scipy"))
        print(_describe(examples, turns, arguments.window_seconds), end="\n\n")
        print("| baseline | right | accuracy | 95 % interval | mAP | s a fit |")
        print("|---|---|---|---|---|---|")
        print(_row("most common label", score_fractions(examples, turns), 0.0))
        for name, columns in choose_columns(examples.features.shape[1], parts=arguments.parts):
            started_at = time.perf_counter()
            part = replace(examples, features=examples.features[:, columns])
            scores, by_fold = score_classical(part, turns)
            seconds = (time.perf_counter() - started_at) / len(turns)
            print(_row(f"classical model{name}", scores, seconds), flush=True)
            accuracies[name] = ", ".join(f"{100 * one:.1f}" for one in by_fold)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")
    print(f"\naccuracy of the classical model by fold:\n{accuracies['']}")


def choose_columns(num_columns: int, *, parts: bool) -> Iterator[tuple[str, Indices]]:
    """All columns; with ``parts`` also all but those of each part, and those of each alone."""
    size = 2 * NUM_COEFFICIENTS
    every = np.arange(num_columns)
    yield "", every
    for number, part in enumerate(PARTS) if parts else ():
        end = (number + 1) * size if number < len(PARTS) - 1 else num_columns
        inside = (every >= number * size) & (every < end)
        yield f" without {part}", every[~inside]
        yield f" on {part} alone", every[inside]


def read_examples(manifest: Manifest, window_seconds: float | None = None) -> Examples:
    """Features of every clip, or of its stretches.

    Args:
        manifest: The data.
        window_seconds: Length of a stretch. Stretches follow each other without overlap, and what
            is left at the end is left out; a clip that is shorter than one is taken whole.

    Raises:
        DataError: A file cannot be read.
    """
    task = find_task((one.labels for one in manifest.recordings), len(manifest.labels))
    require_labels(manifest, task)
    log_mel = LogMel(FeatureConfig())

    def of_recording(recording: Recording) -> list[np.ndarray]:
        rate = log_mel.config.sample_rate
        excerpt = recording.excerpt
        samples = load_audio(recording.path, rate, start=excerpt.start, end=excerpt.end).samples
        length = round((window_seconds or 0.0) * rate)
        return [
            clip_statistics(log_mel(part).T.astype(np.float16)) for part in cut(samples, length)
        ]

    clips, recordings, features = [], [], []
    for recording, extracted in map_in_order(of_recording, manifest.recordings):
        rows = extracted.result()
        clip = Clip(recording.name, ClipKey(""), manifest.targets(recording), recording.group)
        clips += [clip] * len(rows)
        recordings += [recording] * len(rows)
        features += rows
    return Examples(task, manifest.labels, tuple(clips), tuple(recordings), np.array(features))


def cut(samples: np.ndarray, length: int) -> list[np.ndarray]:
    """Whole stretches one after another; all of it where there is no length or not one fits."""
    if not length or len(samples) < length:
        return [samples]
    ends = range(length, len(samples) + 1, length)
    return [samples[end - length : end] for end in ends]


def make_turns(examples: Examples, seed: int) -> list[Turn]:
    """The tests: one with splits, else one a fold.

    Raises:
        DataError: Some recordings have a fold and others do not, or there are too few groups.
    """
    splits = np.array([one.split or "" for one in examples.recordings])
    if splits.all():
        return [Turn(np.flatnonzero(splits != "test"), np.flatnonzero(splits == "test"))]
    folds = np.array([one.fold or "" for one in examples.recordings])
    if folds.any() and not folds.all():
        raise DataError(f"{examples.clips[int(np.argmin(folds != ''))].name}: it has no fold")
    every = np.arange(len(folds))
    if folds.all():
        outer = [(every[folds != name], every[folds == name]) for name in np.unique(folds)]
    else:
        outer = _by_group(examples, seed)
    return [Turn(train, test) for train, test in outer]


def _by_group(examples: Examples, seed: int) -> Iterator[tuple[Indices, Indices]]:
    groups = examples.groups
    num_folds = min(NUM_FOLDS, len(set(groups)))
    if num_folds < 2:
        raise DataError(f"all clips are of group {groups[0]}; at least two are needed")
    kinds = [";".join(map(str, clip.targets)) for clip in examples.clips]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    yield from folds.split(kinds, kinds, groups)


def score_fractions(examples: Examples, turns: Sequence[Turn]) -> Scores:
    """Gives every clip the shares of the labels in training, and so the most common label.

    In a multi-label task each label that most clips have is given. Shares are counted as if one
    more clip had the label and one more had not.
    """
    logits = []
    for turn in turns:
        known = examples.targets[turn.train]
        shares = (known.sum(axis=0) + 1) / (len(known) + 2)
        if examples.task is BINARY:
            row = logit(shares[1:])
        else:
            row = logit(shares) if examples.task is MULTI_LABEL else np.log(shares)
        logits.append(np.tile(row, (len(turn.test), 1)))
    return _score(examples, turns, logits)


def score_classical(examples: Examples, turns: Sequence[Turn]) -> tuple[Scores, list[float]]:
    """Trains a classical model a turn.

    Returns:
        Figures over all tests together, and the accuracy of each turn.
    """
    logits = []
    for turn in turns:
        groups = [examples.groups[row] for row in turn.train]
        rows, targets = examples.features[turn.train], examples.targets[turn.train]
        model = fit_classical(rows, targets, groups, examples.task)
        logits.append(model.logits(examples.features[turn.test]))
    by_fold = [
        _score(examples, [turn], [rows]).accuracy for turn, rows in zip(turns, logits, strict=True)
    ]
    return _score(examples, turns, logits), by_fold


def _score(examples: Examples, turns: Sequence[Turn], logits: Sequence[Rows]) -> Scores:
    rows = np.concatenate([turn.test for turn in turns])
    clips = tuple(examples.clips[row] for row in rows)
    return score(Predictions(clips, np.concatenate(logits), examples.task), examples.labels)


def _row(name: str, scores: Scores, seconds: float) -> str:
    low, high = scores.accuracy_interval
    ranks = scores.ranks
    precision = ranks.mean_average_precision if ranks else None
    return (
        f"| {name} | {scores.num_correct:,} of {scores.num_clips:,} | {100 * scores.accuracy:.2f} "
        f"| {100 * low:.1f} to {100 * high:.1f} "
        f"| {'-' if precision is None else f'{precision:.4f}'} | {seconds:.1f} |"
    )


def _describe(examples: Examples, turns: Sequence[Turn], window_seconds: float | None) -> str:
    units = f"stretches of {window_seconds:g} s" if window_seconds else "clips"
    num_groups = len(set(examples.groups))
    test = f"{len(turns)} folds" if len(turns) > 1 else f"{len(turns[0].test):,} to test on"
    return f"{len(examples.clips):,} {units} in {num_groups} groups, {test}"


if __name__ == "__main__":
    main()
