"""A classical model of sound: a support vector machine on statistics of stored features.

It takes seconds and shows what a network has to beat. Of the log-mel frames of each clip it sees
means and standard deviations, which no longer know the order of the frames.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.fft
import threadpoolctl
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from earmark.errors import DataError
from earmark.features.store import Frames
from earmark.system.progress import SILENT, Reporter
from earmark.system.shapes import Bool, Float64, Int
from earmark.tasks.task import BINARY, MULTI_LABEL, Task

NUM_COEFFICIENTS = 20
LOUD_DB = 30.0
"""Frames whose loudest band lies within this of that of the clip have statistics of their own."""
MAX_FRAMES, NUM_EXCERPTS = 1 << 16, 64
"""Of a longer clip as many frames are used, in excerpts that are spread over it evenly."""
MAX_CLIPS, MAX_LABELS = 5000, 10
"""Of more training clips a random sample is used; of fewer where a multi-label task has more
labels, since each has a machine of its own."""
MAX_CLIPS_TO_CHOOSE = 1500
"""Of more training clips the parameters are chosen on a random sample."""
NUM_FOLDS = 5
MAX_DEVIATIONS = 5.0
"""Standardised columns end here: a band that is almost constant in training may be loud later."""
_SEED = 0

Rows = Float64[np.ndarray, "rows columns"]
Targets = Float64[np.ndarray, "rows labels"]
Indices = Int[np.ndarray, " rows"]
Fold = tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]
"""Rows to fit and to test on."""


class Parameters(NamedTuple):
    """Parameters of the machine.

    Args:
        penalty: Weight of the errors, known as C.
        width: Factor of ``1 / columns`` in the exponent of the kernel.
    """

    penalty: float
    width: float


CANDIDATES = tuple(
    Parameters(penalty, width) for penalty in (1.0, 3.0, 10.0) for width in (0.3, 1.0)
)
"""The smoothest first: it wins a tie."""
DEFAULT = Parameters(3.0, 1.0)
"""Where nothing can be chosen, since all clips are of one group."""


def clip_statistics(frames: Frames) -> Float64[np.ndarray, " columns"]:
    """Means and standard deviations over the frames of a clip.

    They are those of 20 cepstral coefficients, of the slopes of these, of the coefficients of the
    loud frames, and of the levels of the bands. The coefficients are the lowest of the orthonormal
    DCT-II over the bands, with the first, which is the level; a slope is half the difference of the
    neighbours of a frame.

    Args:
        frames: Log-mel frames, at least one.

    Example:
        >>> clip_statistics(np.zeros((1, 40), np.float16)).shape
        (200,)
    """
    if len(frames) > MAX_FRAMES:
        length = MAX_FRAMES // NUM_EXCERPTS
        starts = np.linspace(0, len(frames) - length, NUM_EXCERPTS).astype(int)
        frames = np.concatenate([frames[start : start + length] for start in starts])
    levels = frames.astype(np.float64)
    coefficients = scipy.fft.dct(levels, axis=1, norm="ortho")[:, :NUM_COEFFICIENTS]
    slopes = np.zeros_like(coefficients)
    if len(coefficients) > 1:
        slopes = np.gradient(coefficients, axis=0)
    loudest = levels.max(axis=1)
    loud = coefficients[loudest >= loudest.max() - LOUD_DB]
    parts = (coefficients, slopes, loud, levels)
    return np.concatenate([column for part in parts for column in (part.mean(0), part.std(0))])


class _Machine(NamedTuple):
    svm: SVC
    labels: Sequence[int]


@dataclass(frozen=True)
class ClassicalModel:
    """A fitted machine, or one a label in a multi-label task.

    Args:
        task: What the labels mean.
        parameters: Those that were chosen.
        num_clips: Number of clips that it was fitted on.
        rows: Their standardised statistics.
        scaler: What standardises.
        machines: The machine and the labels that its outputs stand for; a label that no clip has,
            or every clip, needs none.
        constants: Outputs where no machine decides.
    """

    task: Task
    parameters: Parameters
    num_clips: int
    rows: Rows
    scaler: StandardScaler
    machines: tuple[_Machine, ...]
    constants: Float64[np.ndarray, " labels"]

    def logits(self, statistics: Rows) -> Float64[np.ndarray, "rows outputs"]:
        """Outputs in the form of the task's logits; their sign or maximum decides.

        They are distances from the boundary, not calibrated.

        Args:
            statistics: A row of `clip_statistics` a clip.
        """
        rows = _standardise(self.scaler, statistics)
        kernel = _kernel(_squared_distances(rows, self.rows), self.parameters)
        return _outputs(self.task, self.machines, self.constants, kernel)


def fit_classical(
    statistics: Rows,
    targets: Targets,
    groups: Sequence[str],
    task: Task,
    reporter: Reporter = SILENT,
) -> ClassicalModel:
    """Fits a machine, with the parameters that predict most clips correctly on folds by group.

    The same clips give the same model, whatever the number of threads.

    Args:
        statistics: A row of `clip_statistics` a training clip.
        targets: A row a clip, 1 for the labels that it has.
        groups: The group of each clip.
        task: What the labels mean.
        reporter: Shows a progress bar.

    Raises:
        DataError: All clips have the same labels.
    """
    if len(np.unique(targets, axis=0)) < 2:
        raise DataError("all training clips have the same labels")
    kept = _sample(len(targets), _max_clips(task, targets.shape[1]))
    statistics, targets = statistics[kept], targets[kept]
    scaler = StandardScaler().fit(statistics)
    rows = _standardise(scaler, statistics)
    with reporter.track("classical baseline", len(CANDIDATES) + 1) as progress:
        chosen = DEFAULT
        sample = _sample(len(rows), MAX_CLIPS_TO_CHOOSE)
        folds = list(_folds(targets[sample], [groups[kept[row]] for row in sample]))
        if folds:
            distances = _squared_distances(rows[sample], rows[sample])
            hits = []
            for candidate in CANDIDATES:
                kernel = _kernel(distances, candidate)
                hits.append(_count_correct(kernel, targets[sample], folds, task, candidate))
                progress.advance()
            chosen = CANDIDATES[int(np.argmax(hits))]
        kernel = _kernel(_squared_distances(rows, rows), chosen)
        machines, constants = _fit(kernel, targets, task, chosen)
        progress.advance()
    return ClassicalModel(task, chosen, len(rows), rows, scaler, machines, constants)


def choose_labels(
    task: Task, logits: Float64[np.ndarray, "rows outputs"]
) -> Bool[np.ndarray, "rows labels"]:
    """The labels of the outputs of a model, at the default thresholds of the task."""
    probabilities = task.probabilities(logits)
    return task.choose(probabilities, task.default_thresholds(probabilities.shape[1]))


def _max_clips(task: Task, num_labels: int) -> int:
    """The time of a machine grows with the square of the clips."""
    if task is not MULTI_LABEL or num_labels <= MAX_LABELS:
        return MAX_CLIPS
    return round(MAX_CLIPS * (MAX_LABELS / num_labels) ** 0.5)


def _sample(number: int, maximum: int) -> Indices:
    if number <= maximum:
        return np.arange(number)
    return np.sort(np.random.default_rng(_SEED).choice(number, maximum, replace=False))


def _standardise(scaler: StandardScaler, statistics: Rows) -> Rows:
    return scaler.transform(statistics).clip(-MAX_DEVIATIONS, MAX_DEVIATIONS)


def _squared_distances(
    rows: Rows, others: Float64[np.ndarray, "others columns"]
) -> Float64[np.ndarray, "rows others"]:
    # The order of the sums of a matrix product depends on the number of threads.
    with threadpoolctl.threadpool_limits(1):
        products = rows @ others.T
    squares, other_squares = ((one**2).sum(axis=1) for one in (rows, others))
    scale = rows.shape[1]
    return np.maximum(squares[:, None] + other_squares - 2.0 * products, 0.0) / scale


def _kernel(
    distances: Float64[np.ndarray, "rows others"], parameters: Parameters
) -> Float64[np.ndarray, "rows others"]:
    return np.exp(-parameters.width * distances)


def _folds(targets: Targets, groups: Sequence[str]) -> Iterator[Fold]:
    """Rows to fit and to test on, by group and stratified by label; none for a single group."""
    kinds = np.unique(targets, axis=0, return_inverse=True)[1].ravel()
    num_folds = min(NUM_FOLDS, len(set(groups)), int(np.bincount(kinds).max()))
    if num_folds < 2:
        return
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=_SEED)
    with warnings.catch_warnings():
        # A label may have fewer clips than there are folds.
        warnings.simplefilter("ignore", UserWarning)
        found = list(folds.split(kinds, kinds, groups))
    for train, test in found:
        if len(test) and (targets[train] != targets[train[0]]).any():
            yield train, test


def _count_correct(
    kernel: Float64[np.ndarray, "rows rows"],
    targets: Targets,
    folds: Sequence[Fold],
    task: Task,
    parameters: Parameters,
) -> int:
    """Clips of the test parts that are predicted correctly, over all folds."""
    count = 0
    for train, test in folds:
        fitted = _fit(kernel[np.ix_(train, train)], targets[train], task, parameters)
        chosen = choose_labels(task, _outputs(task, *fitted, kernel[np.ix_(test, train)]))
        count += int((chosen == targets[test]).all(axis=1).sum())
    return count


def _fit(
    kernel: Float64[np.ndarray, "rows rows"],
    targets: Targets,
    task: Task,
    parameters: Parameters,
) -> tuple[tuple[_Machine, ...], Float64[np.ndarray, " labels"]]:
    """The machines, and the outputs of labels without one."""

    def fit(known: Int[np.ndarray, " rows"]) -> SVC:
        with warnings.catch_warnings():
            # Many labels may have a clip or two.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            return SVC(C=parameters.penalty, kernel="precomputed").fit(kernel, known)

    # Below whatever a machine gives.
    constants = np.full(targets.shape[1], -1e3)
    if task is not MULTI_LABEL:
        svm = fit(targets.argmax(axis=1))
        return (_Machine(svm, [int(label) for label in svm.classes_]),), constants
    varied = (targets != targets[0]).any(axis=0)
    constants = np.where(targets[0] == 1, 1.0, -1.0)
    machines = [
        _Machine(fit(targets[:, label].astype(int)), [int(label)])
        for label in np.flatnonzero(varied)
    ]
    return tuple(machines), constants


def _outputs(
    task: Task,
    machines: Sequence[_Machine],
    constants: Float64[np.ndarray, " labels"],
    kernel: Float64[np.ndarray, "rows others"],
) -> Float64[np.ndarray, "rows outputs"]:
    outputs = np.tile(constants, (len(kernel), 1))
    for svm, labels in machines:
        found = svm.decision_function(kernel)
        if found.ndim == 1 and len(labels) == 2:
            found = np.stack([-found, found], axis=1)
        outputs[:, labels] = found.reshape(len(kernel), len(labels))
    return outputs[:, 1:] if task is BINARY else outputs
