"""What any network has to beat: the most common label, and logistic regression on MFCCs.

``python benchmarks/baselines.py path/to/data [--window-seconds 1.0]``

Of each clip, the mean and the standard deviation over its frames of 20 MFCCs and of their slopes
are standardised and put before a logistic regression, one a label in a multi-label task. Its
penalty is the one with the least log-loss on validation data, or on folds by group of the training
part; the test never takes part in it. A fit that does not converge is an error.

Data with splits are tested on the test split after training on the rest. Other data are tested in
folds: those that the manifest names, else ten by group, stratified by label.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from earmark.audio.reading import load_audio
from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.labels import require_labels
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.errors import DataError, EarmarkError
from earmark.evaluation.metrics.scores import Predictions, Scores, score
from earmark.features.log_mel import LogMel
from earmark.features.store import ClipKey
from earmark.system.parallel import map_in_order
from earmark.system.shapes import Float, Float64, Int
from earmark.tasks.task import BINARY, MULTI_LABEL, Task, find_task, multi_hot
from machine import describe_machine

NUM_COEFFICIENTS = 20
NUM_FOLDS, NUM_INNER_FOLDS = 10, 5
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Values of C; the smallest, which is the strongest penalty, wins a tie."""
MAX_ITERATIONS = 10_000

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
    """A test and what to train on for it; each inner turn chooses on its own test.

    Args:
        train: Rows to train on.
        test: Rows to judge.
        inner: Rows to train on and to judge by, for the choice of the penalty.
    """

    train: Indices
    test: Indices
    inner: tuple[tuple[Indices, Indices], ...]


def main() -> None:
    """Prints a table, a row a baseline, and the accuracy of each fold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--window-seconds", type=float, help="judge stretches of clips, each alone")
    parser.add_argument("--seed", type=int, default=0, help="of folds that the data do not name")
    arguments = parser.parse_args()
    try:
        examples = read_examples(read_manifest(arguments.data), arguments.window_seconds)
        turns = make_turns(examples, arguments.seed)
        print(describe_machine("scikit-learn", "numpy", "scipy"))
        print(_describe(examples, turns, arguments.window_seconds), end="\n\n")
        print("| baseline | right | accuracy | 95 % interval | log-loss | mAP |")
        print("|---|---|---|---|---|---|")
        print(_row("most common label", judge_shares(examples, turns)))
        scores, chosen, by_fold = judge_regression(examples, turns)
        print(_row("logistic regression on MFCCs", scores))
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")
    print(f"\nC {', '.join(f'{one:g}' for one in chosen)}; accuracy of the regression by fold:")
    print(", ".join(f"{100 * one:.1f}" for one in by_fold))


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
        return [mfcc_statistics(log_mel(part)) for part in cut(samples, length)]

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


def mfcc_statistics(log_mel: Float[np.ndarray, "mels frames"]) -> Float64[np.ndarray, " columns"]:
    """Mean and standard deviation over frames of MFCCs and of their slopes, in that order.

    The MFCCs are the lowest coefficients of the orthonormal DCT-II over the bands, with the first,
    which is the level; a slope is half the difference of the neighbours of a frame.
    """
    coefficients = scipy.fft.dct(log_mel.astype(np.float64), axis=0, norm="ortho")
    coefficients = coefficients[:NUM_COEFFICIENTS]
    slopes = np.gradient(coefficients, axis=1)
    parts = [(rows.mean(axis=1), rows.std(axis=1)) for rows in (coefficients, slopes)]
    return np.concatenate([column for part in parts for column in part])


def make_turns(examples: Examples, seed: int) -> list[Turn]:
    """The tests: one with splits, else one a fold.

    Raises:
        DataError: Some recordings have a fold and others do not, or there are too few groups.
    """
    splits = np.array([one.split or "" for one in examples.recordings])
    if splits.all():
        train, validation, test = (
            np.flatnonzero(splits == name) for name in ("train", "validation", "test")
        )
        both = np.sort(np.concatenate([train, validation]))
        inner = [(train, validation)] if len(validation) else _by_group(examples, both, seed)
        return [Turn(both, test, tuple(inner))]
    folds = np.array([one.fold or "" for one in examples.recordings])
    if folds.any() and not folds.all():
        raise DataError(f"{examples.clips[int(np.argmin(folds != ''))].name}: it has no fold")
    every = np.arange(len(folds))
    if folds.all():
        outer = [(every[folds != name], every[folds == name]) for name in np.unique(folds)]
    else:
        outer = _by_group(examples, every, seed, NUM_FOLDS)
    return [Turn(train, test, tuple(_by_group(examples, train, seed))) for train, test in outer]


def _by_group(
    examples: Examples, rows: Indices, seed: int, num_folds: int = NUM_INNER_FOLDS
) -> Iterator[tuple[Indices, Indices]]:
    groups = np.array(examples.groups)[rows]
    num_folds = min(num_folds, len(set(groups)))
    if num_folds < 2:
        raise DataError(f"all clips to choose on are of group {groups[0]}; at least two are needed")
    kinds = [";".join(map(str, examples.clips[row].targets)) for row in rows]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    for train, test in folds.split(rows, kinds, groups):
        yield rows[train], rows[test]


def judge_shares(examples: Examples, turns: Sequence[Turn]) -> Scores:
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


def judge_regression(
    examples: Examples, turns: Sequence[Turn]
) -> tuple[Scores, list[float], list[float]]:
    """Trains a regression a turn.

    Returns:
        Figures over all tests together, the penalty of each turn and its accuracy.
    """
    logits, chosen, by_fold = [], [], []
    for turn in turns:
        losses = [
            sum(
                examples.task.losses(
                    fit_and_judge(examples, train, test, penalty), examples.targets[test]
                ).sum()
                for train, test in turn.inner
            )
            for penalty in PENALTIES
        ]
        chosen.append(PENALTIES[int(np.argmin(losses))])
        logits.append(fit_and_judge(examples, turn.train, turn.test, chosen[-1]))
        by_fold.append(_score(examples, [turn], logits[-1:]).accuracy)
    return _score(examples, turns, logits), chosen, by_fold


def fit_and_judge(examples: Examples, train: Indices, test: Indices, penalty: float) -> Rows:
    """Logits of the rows to judge.

    Raises:
        ConvergenceWarning: The fit did not come to an end.
        DataError: A label is in none of the rows to train on.
    """
    targets = examples.targets[train]
    missing = np.flatnonzero(~targets.any(axis=0))
    if len(missing):
        label = examples.labels[missing[0]]
        raise DataError(f"no {label!r} among the clips to train on; leave it out or change folds")
    model = _make_model(examples.task, penalty)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        known = targets if examples.task is MULTI_LABEL else targets.argmax(axis=1)
        model.fit(examples.features[train], known)
    return model.decision_function(examples.features[test]).reshape(len(test), -1)


def _make_model(task: Task, penalty: float) -> Pipeline:
    regression = LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS)
    last = OneVsRestClassifier(regression) if task is MULTI_LABEL else regression
    return make_pipeline(StandardScaler(), last)


def _score(examples: Examples, turns: Sequence[Turn], logits: Sequence[Rows]) -> Scores:
    rows = np.concatenate([turn.test for turn in turns])
    clips = tuple(examples.clips[row] for row in rows)
    return score(Predictions(clips, np.concatenate(logits), examples.task), examples.labels)


def _row(name: str, scores: Scores) -> str:
    low, high = scores.accuracy_interval
    ranks = scores.ranks
    precision = ranks.mean_average_precision if ranks else None
    return (
        f"| {name} | {scores.num_correct:,} of {scores.num_clips:,} | {100 * scores.accuracy:.2f} "
        f"| {100 * low:.1f} to {100 * high:.1f} | {scores.loss:.4f} "
        f"| {'-' if precision is None else f'{precision:.4f}'} |"
    )


def _describe(examples: Examples, turns: Sequence[Turn], window_seconds: float | None) -> str:
    units = f"stretches of {window_seconds:g} s" if window_seconds else "clips"
    num_groups = len(set(examples.groups))
    test = f"{len(turns)} folds" if len(turns) > 1 else f"{len(turns[0].test):,} to test on"
    return f"{len(examples.clips):,} {units} in {num_groups} groups, {test}"


if __name__ == "__main__":
    main()
