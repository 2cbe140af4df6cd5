"""What the labels of a recording mean: one of two, one of many, or any number of them.

A task defines the number of logits, how they become probabilities, which labels are chosen and the
loss. Targets are always a row over all labels, 1 for those that a recording has, so that mixing two
recordings mixes two rows.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from earmark.system.shapes import Bool, Float, Float64

Rows = Float64[np.ndarray, "rows labels"]
_MAX_EXPONENT = 709.0
"""Where the exponential of float64 is still finite."""


class Task(ABC):
    """One kind of labelling."""

    name: str
    """As settings and model files spell it."""
    title: str
    """As reports spell it."""

    def __repr__(self) -> str:
        return self.name.upper()

    def __reduce__(self) -> str:
        # By name, so that results from another process have the same object.
        return self.name.upper()

    @abstractmethod
    def num_outputs(self, num_labels: int) -> int:
        """Logits a window."""

    @abstractmethod
    def probabilities(self, logits: Float[np.ndarray, "rows outputs"]) -> Rows:
        """Probability of each label."""

    @abstractmethod
    def default_thresholds(self, num_labels: int) -> tuple[float, ...]:
        """The thresholds of a network for which none were chosen."""

    @abstractmethod
    def choose(
        self, probabilities: Rows, thresholds: Sequence[float]
    ) -> Bool[np.ndarray, "rows labels"]:
        """Which labels are chosen.

        Args:
            probabilities: Of each label.
            thresholds: As many as `default_thresholds` gives.
        """

    @abstractmethod
    def losses(
        self, logits: Float[np.ndarray, "rows outputs"], targets: Float[np.ndarray, "rows labels"]
    ) -> Float64[np.ndarray, " rows"]:
        """Cross-entropy of each row, in nats: what training minimises."""

    @abstractmethod
    def confidence(
        self, logits: Float[np.ndarray, "rows outputs"]
    ) -> Float64[np.ndarray, "rows outputs"]:
        """Confidence of each row in each output, by which the windows of a clip are compared."""


class Binary(Task):
    """One of two labels; the only logit is that of the second."""

    name = "binary"
    title = "binary"

    def num_outputs(self, num_labels: int) -> int:
        """One."""
        return 1

    def probabilities(self, logits: Float[np.ndarray, "rows outputs"]) -> Rows:
        """The sigmoid for the second label, and the rest for the first."""
        second = _sigmoid(logits[:, 0].astype(np.float64))
        return np.stack([1.0 - second, second], axis=1)

    def default_thresholds(self, num_labels: int) -> tuple[float, ...]:
        """That of the second label."""
        return (0.5,)

    def choose(
        self, probabilities: Rows, thresholds: Sequence[float]
    ) -> Bool[np.ndarray, "rows labels"]:
        """The second label when its probability reaches the threshold."""
        second = probabilities[:, 1] >= thresholds[0]
        return np.stack([~second, second], axis=1)

    def losses(
        self, logits: Float[np.ndarray, "rows outputs"], targets: Float[np.ndarray, "rows labels"]
    ) -> Float64[np.ndarray, " rows"]:
        """Binary cross-entropy."""
        return _binary_losses(logits[:, 0].astype(np.float64), targets[:, 1])

    def confidence(
        self, logits: Float[np.ndarray, "rows outputs"]
    ) -> Float64[np.ndarray, "rows outputs"]:
        """Distance of the logit from zero, an even chance."""
        return np.abs(logits.astype(np.float64))


class MultiClass(Task):
    """One of many labels; a logit a label, with a softmax."""

    name = "multi_class"
    title = "multi-class"

    def num_outputs(self, num_labels: int) -> int:
        """One a label."""
        return num_labels

    def probabilities(self, logits: Float[np.ndarray, "rows outputs"]) -> Rows:
        """The softmax."""
        exponentials = np.exp(_shift(logits))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def default_thresholds(self, num_labels: int) -> tuple[float, ...]:
        """None: the most probable label wins."""
        return ()

    def choose(
        self, probabilities: Rows, thresholds: Sequence[float]
    ) -> Bool[np.ndarray, "rows labels"]:
        """The most probable label, the first of equals."""
        return np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]

    def losses(
        self, logits: Float[np.ndarray, "rows outputs"], targets: Float[np.ndarray, "rows labels"]
    ) -> Float64[np.ndarray, " rows"]:
        """The cross-entropy with the softmax."""
        return -(targets * _log_softmax(logits)).sum(axis=1)

    def confidence(
        self, logits: Float[np.ndarray, "rows outputs"]
    ) -> Float64[np.ndarray, "rows outputs"]:
        """Logit of the most probable label against all others, the same for every output."""
        best = _log_softmax(logits).max(axis=1, keepdims=True)
        # Rounding may bring the probability of a certain label to exactly one.
        others = np.log(-np.expm1(np.minimum(best, -1e-12)))
        return np.broadcast_to(best - others, logits.shape)


class MultiLabel(Task):
    """Any number of labels; a logit a label, each independent of the others."""

    name = "multi_label"
    title = "multi-label"

    def num_outputs(self, num_labels: int) -> int:
        """One a label."""
        return num_labels

    def probabilities(self, logits: Float[np.ndarray, "rows outputs"]) -> Rows:
        """The sigmoid of each logit."""
        return _sigmoid(logits.astype(np.float64))

    def default_thresholds(self, num_labels: int) -> tuple[float, ...]:
        """One a label."""
        return (0.5,) * num_labels

    def choose(
        self, probabilities: Rows, thresholds: Sequence[float]
    ) -> Bool[np.ndarray, "rows labels"]:
        """Each label whose probability reaches its threshold."""
        return probabilities >= np.asarray(thresholds)

    def losses(
        self, logits: Float[np.ndarray, "rows outputs"], targets: Float[np.ndarray, "rows labels"]
    ) -> Float64[np.ndarray, " rows"]:
        """The mean over the labels of their binary cross-entropies."""
        return _binary_losses(logits.astype(np.float64), targets).mean(axis=1)

    def confidence(
        self, logits: Float[np.ndarray, "rows outputs"]
    ) -> Float64[np.ndarray, "rows outputs"]:
        """The logit itself: a label that is present in one window is present in the clip."""
        return logits.astype(np.float64)


BINARY, MULTI_CLASS, MULTI_LABEL = Binary(), MultiClass(), MultiLabel()
TASKS: dict[str, Task] = {task.name: task for task in (BINARY, MULTI_CLASS, MULTI_LABEL)}


def find_task(label_sets: Iterable[Sequence[str]], num_labels: int) -> Task:
    """The task that fits the data: multi-label when any recording has several labels.

    Args:
        label_sets: The labels of each recording.
        num_labels: Size of the vocabulary.
    """
    if any(len(labels) > 1 for labels in label_sets):
        return MULTI_LABEL
    return BINARY if num_labels == 2 else MULTI_CLASS


def multi_hot(
    targets: Sequence[Sequence[int]], num_labels: int
) -> Float64[np.ndarray, "rows labels"]:
    """A row over all labels for each recording, 1 for those that it has.

    Args:
        targets: Indices of each recording's labels.
        num_labels: Size of the vocabulary.

    Example:
        >>> multi_hot([(1,), (0, 2), ()], 3)
        array([[0., 1., 0.],
               [1., 0., 1.],
               [0., 0., 0.]])
    """
    rows = np.zeros((len(targets), num_labels))
    for row, indices in zip(rows, targets, strict=True):
        row[list(indices)] = 1.0
    return rows


def join_labels(labels: Sequence[str], indices: Sequence[int]) -> str:
    """Labels as in a manifest, separated by semicolons.

    Example:
        >>> join_labels(["jazz", "pop", "rock"], [0, 2])
        'jazz;rock'
    """
    return ";".join(labels[index] for index in indices)


def class_weights(
    task: Task, targets: Float[np.ndarray, "rows labels"]
) -> Float[np.ndarray, " labels"]:
    """Loss weights that make every label count the same.

    Where a recording has one label, an example weighs the inverse of its label's frequency; the
    mean weight of an example is 1. In a multi-label task the presence of a label weighs as much in
    total as its absence.

    Args:
        task: What the labels mean.
        targets: A row a training example; each label occurs.
    """
    counts = targets.sum(axis=0)
    if task is not MULTI_LABEL:
        return len(targets) / (targets.shape[1] * counts)
    return np.maximum(len(targets) - counts, 1.0) / counts


def sampling_weights(targets: Float[np.ndarray, "rows labels"]) -> Float[np.ndarray, " rows"]:
    """Probabilities of drawing each example, so that rare labels are drawn as often as common ones.

    An example counts as its rarest label; examples without any count as a label of their own.

    Args:
        targets: A row a training example.

    Returns:
        Probabilities that sum to 1.
    """
    empty = targets.sum(axis=1) == 0
    has_label = np.column_stack([targets, empty]).astype(bool)
    rarity = np.where(has_label, 1.0 / np.maximum(has_label.sum(axis=0), 1), 0.0).max(axis=1)
    return rarity / rarity.sum()


def _sigmoid(logits: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    # The C library's exponential: numpy's rounds differently from processor to processor.
    exponentials = np.frompyfunc(math.exp, 1, 1)(np.minimum(-logits, _MAX_EXPONENT))
    return 1.0 / (1.0 + np.asarray(exponentials, np.float64))


def _shift(logits: Float[np.ndarray, "rows outputs"]) -> Rows:
    """Logits of which the largest of each row is 0, so that no exponential overflows."""
    logits = logits.astype(np.float64)
    return logits - logits.max(axis=1, keepdims=True)


def _log_softmax(logits: Float[np.ndarray, "rows outputs"]) -> Rows:
    shifted = _shift(logits)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _binary_losses(
    logits: Float64[np.ndarray, "..."], targets: Float[np.ndarray, "..."]
) -> Float64[np.ndarray, "..."]:
    return np.logaddexp(0.0, logits) - targets * logits
