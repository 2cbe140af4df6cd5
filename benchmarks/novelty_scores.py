"""Scores of how unlike training sound is, from embeddings: what `unknown_sounds.py` compares.

Each is high for unknown sound, and computed for each window; a clip has the mean of its windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp
from sklearn.cluster import KMeans
from sklearn.covariance import OAS

from earmark.tasks.novelty import MAX_CONFIDENCE, MAX_DIRECTIONS, Novelty, fit_novelty
from earmark.tasks.task import MULTI_CLASS

Named = Iterator[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Windows:
    """Windows of all clips, as a network that has not met some labels sees them.

    Args:
        embeddings: A row a window.
        labels: Index of each window's label among the known ones; -1 for others.
        is_trained: Which windows were trained on.
        weight: Of the classifier.
        bias: Of the classifier.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    is_trained: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        """Embeddings that were trained on."""
        return self.embeddings[self.is_trained]

    @cached_property
    def classes(self) -> np.ndarray:
        """Labels of those that were trained on."""
        return self.labels[self.is_trained]

    @cached_property
    def logits(self) -> np.ndarray:
        """Of all windows."""
        return self.embeddings @ self.weight.T + self.bias

    @cached_property
    def novelty(self) -> Novelty:
        """What the model file holds."""
        targets = np.eye(len(self.weight))[self.classes]
        return fit_novelty(self.known, self.logits[self.is_trained], targets, MULTI_CLASS)

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each class over the windows that were trained on."""
        known = values[self.is_trained]
        return np.array(
            [known[self.classes == one].mean(axis=0) for one in range(len(self.weight))]
        )

    def standard(self, scores: np.ndarray) -> np.ndarray:
        """Scores in standard deviations from the mean over the windows that were trained on."""
        known = scores[self.is_trained]
        return (scores - known.mean()) / known.std()

    def combine(self, distance: np.ndarray, doubt: np.ndarray, weight: float = 1.0) -> np.ndarray:
        """A distance and doubt, as `Novelty` adds them."""
        confident = np.maximum(self.standard(doubt), -MAX_CONFIDENCE)
        return self.standard(distance) + weight * confident


def all_scores(windows: Windows) -> dict[str, np.ndarray]:
    """Every score by name, a value a window; `model` is the one that model files hold."""
    found = {"model": windows.novelty.score(windows.embeddings, windows.logits)}
    for family in (
        _variants,
        _of_logits,
        _of_means,
        _of_neighbours,
        _of_directions,
        _of_classifier,
    ):
        found.update(family(windows))
    return found


def _variants(windows: Windows) -> Named:
    """The score of model files with one thing changed."""
    doubt = -windows.logits.max(axis=1)
    distance = _nearest(windows, MAX_DIRECTIONS)
    for number in (0, 2, 4, 8, 12, 32):
        yield f"model, {number} directions", windows.combine(_nearest(windows, number), doubt)
    for number in (4, 6, 8):
        nearest = _nearest(windows, number, has_scales=False)
        yield f"model, {number} directions, one scale", windows.combine(nearest, doubt)
    for weight in (0.0, 0.5, 2.0):
        yield f"model, doubt x {weight:g}", windows.combine(distance, doubt, weight)
    yield "model, energy", windows.combine(distance, -logsumexp(windows.logits, axis=1))
    yield "model, angle to weights", windows.combine(distance, _angle(windows))
    both = (windows.combine(distance, doubt) + windows.combine(distance, _angle(windows))) / 2
    yield "model, half doubt, half angle", both
    predicted = windows.logits.argmax(axis=1)
    distances = _distances(windows, MAX_DIRECTIONS)[np.arange(len(predicted)), predicted]
    yield "model, class of the largest logit", windows.combine(distances, doubt)
    for number in (2, 4):
        nearest = cdist(windows.embeddings, _centers(windows, number)).min(axis=1)
        yield f"{number} centers a class, Euclidean, and doubt", windows.combine(nearest, doubt)


def _distances(windows: Windows, number: int, *, has_scales: bool = True) -> np.ndarray:
    """The distances of `Novelty` with another number of directions, or with one scale."""
    means = windows.means(windows.embeddings)
    deviations = windows.known - means[windows.classes]
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    variances, directions = variances[::-1], directions[:, ::-1]
    kept = np.append(variances[:number], variances[number:].mean())
    # The classes of the model are in the order of their rows of targets.
    scales = windows.novelty.scales[windows.novelty.labels.argmax(axis=1).argsort()]
    changed = replace(
        windows.novelty,
        centers=means,
        scales=scales if has_scales else np.ones(len(means)),
        directions=directions[:, :number],
        variances=kept,
    )
    return changed.distances(windows.embeddings)


def _nearest(windows: Windows, number: int, *, has_scales: bool = True) -> np.ndarray:
    return _distances(windows, number, has_scales=has_scales).min(axis=1)


def _centers(windows: Windows, number: int) -> np.ndarray:
    groups = [windows.known[windows.classes == one] for one in range(len(windows.weight))]
    fits = [KMeans(number, n_init=4, random_state=0).fit(one) for one in groups]
    return np.concatenate([one.cluster_centers_ for one in fits])


def _angle(windows: Windows) -> np.ndarray:
    """Minus the cosine of the centred embedding and its class's weights, times their norm.

    Source:
        Liu and Qin (2023), Detecting out-of-distribution through the lens of neural collapse,
        arXiv:2311.01479, without its norm of the embedding.
    """
    moved = windows.embeddings - windows.known.mean(axis=0)
    weights = windows.weight[windows.logits.argmax(axis=1)]
    return -(weights * moved).sum(axis=1) / np.linalg.norm(moved, axis=1)


def _of_logits(windows: Windows) -> Named:
    logits, means = windows.logits, windows.means(windows.logits)
    log_odds = log_softmax(logits, axis=1)
    probabilities = np.exp(log_odds)
    yield "maximum logit", -logits.max(axis=1)
    yield "maximum probability", -log_odds.max(axis=1)
    yield "energy", -logsumexp(logits, axis=1)
    yield "entropy", -(probabilities * log_odds).sum(axis=1)
    # Liu, Lochman and Zach (2023), GEN, CVPR, with its exponent.
    yield "generalised entropy", ((probabilities * (1.0 - probabilities)) ** 0.1).sum(axis=1)
    deviations = logits[windows.is_trained] - means[windows.classes]
    precision = OAS(assume_centered=True).fit(deviations).precision_
    yield "Mahalanobis of logits", cdist(logits, means, "mahalanobis", VI=precision).min(axis=1)


def _of_means(windows: Windows) -> Named:
    embeddings, means = windows.embeddings, windows.means(windows.embeddings)
    overall = windows.known.mean(axis=0)
    yield "class mean, Euclidean", cdist(embeddings, means).min(axis=1)
    cosines = cdist(embeddings - overall, means - overall, "cosine")
    yield "class mean, cosine", cosines.min(axis=1)
    within = OAS(assume_centered=True).fit(windows.known - means[windows.classes]).precision_
    total = OAS(assume_centered=True).fit(windows.known - overall).precision_
    squares = cdist(embeddings, means, "mahalanobis", VI=within).min(axis=1) ** 2
    yield "Mahalanobis, all directions", squares
    background = cdist(embeddings, overall[None], "mahalanobis", VI=total)[:, 0] ** 2
    yield "relative Mahalanobis", squares - background


def _of_neighbours(windows: Windows) -> Named:
    """Sun et al. (2022), Out-of-distribution detection with deep nearest neighbors, ICML."""
    rows = np.flatnonzero(windows.is_trained)
    for metric in ("euclidean", "cosine"):
        distances = cdist(windows.embeddings, windows.known, metric)
        # Nothing is its own neighbour.
        distances[rows, np.arange(len(rows))] = np.inf
        ordered = np.sort(distances, axis=1)
        for number in (1, 5):
            yield f"neighbour {number}, {metric}", ordered[:, number - 1]
            summed = windows.combine(ordered[:, number - 1], -windows.logits.max(axis=1))
            yield f"neighbour {number}, {metric}, and doubt", summed


def _of_directions(windows: Windows) -> Named:
    for number in (2, 8, 32):
        nearest = _nearest(windows, number, has_scales=False)
        yield f"Mahalanobis, {number} directions", nearest
    # Virtual-logit matching: Wang et al. (2022), ViM, arXiv:2203.10807.
    origin = -np.linalg.pinv(windows.weight) @ windows.bias
    moved, known = windows.embeddings - origin, windows.known - origin
    _, directions = np.linalg.eigh(known.T @ known)
    rest = directions[:, : -2 * len(windows.weight)]
    lengths = np.linalg.norm(moved @ rest, axis=1)
    largest = windows.logits[windows.is_trained].max(axis=1)
    scale = largest.mean() / lengths[windows.is_trained].mean()
    yield "residual", lengths
    yield "virtual logit", scale * lengths - logsumexp(windows.logits, axis=1)


def _of_classifier(windows: Windows) -> Named:
    yield "angle to weights", _angle(windows)
    # Liu and Qin (2024), Fast decision boundary based out-of-distribution detector, ICML.
    predicted = windows.logits.argmax(axis=1)
    gaps = windows.logits.max(axis=1, keepdims=True) - windows.logits
    apart = cdist(windows.weight, windows.weight) + np.eye(len(windows.weight))
    reach = (gaps / apart[predicted]).sum(axis=1)
    moved = windows.embeddings - windows.known.mean(axis=0)
    yield "distance to the boundaries", -reach / np.linalg.norm(moved, axis=1)
    yield "norm of the embedding", -np.linalg.norm(windows.embeddings, axis=1)
