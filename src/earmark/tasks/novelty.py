"""How unlike the sound of training a sound is: its distance to the classes of training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from earmark.system.shapes import Float, Float32, Float64

MAX_CENTERS = 256
MAX_DIRECTIONS = 8
"""More fit the few clips of training too closely: they separate unknown sound less well."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """Scores embeddings by the Mahalanobis distance to the nearest mean of a class of training.

    All classes share one covariance, which is kept in little space: exactly along the directions in
    which training sound varies most, and as one variance in all others. The score is the root of
    the squared distance over the number of channels, which is about 1 for the sound of training,
    whatever the scale of the embeddings.

    Args:
        centers: Mean embedding of each class; in a multi-label task of each set of labels.
        labels: The labels of each class, 1 where it has the label.
        directions: Orthonormal directions of large variance.
        variances: Variance along each of them, and last that in all other directions.

    Source:
        Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples and
        adversarial attacks, NeurIPS, arXiv:1807.03888, equation 2; Tipping and Bishop (1999),
        Probabilistic principal component analysis, Journal of the Royal Statistical Society B 61,
        for the form of the covariance.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> embeddings, targets = rng.normal(size=(100, 8)), np.eye(2)[np.arange(100) % 2]
        >>> novelty = fit_novelty(embeddings, targets)
        >>> novelty.score(np.stack([embeddings[0], np.full(8, 5.0)])).round(1)
        array([0.7, 5. ])
    """

    centers: Float32[np.ndarray, "centers channels"]
    labels: Float32[np.ndarray, "centers labels"]
    directions: Float32[np.ndarray, "channels directions"]
    variances: Float32[np.ndarray, " directions_and_rest"]

    @property
    def arrays(self) -> dict[str, Float32[np.ndarray, "..."]]:
        """The arrays by name, to be stored."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], num_labels: int) -> "Novelty":
        """The same from stored arrays, which are untrusted.

        Raises:
            ValueError: They do not fit each other or the labels.
        """
        names = [one.name for one in fields(cls)]
        if sorted(arrays) != sorted(names):
            raise ValueError(f"its novelty score has {sorted(arrays)}, not {sorted(names)}")
        shapes = {name: one.shape for name, one in arrays.items()}
        centers, channels = (*shapes["centers"], 0, 0)[:2]
        kept = arrays["variances"].size - 1
        expected = {
            "centers": (centers, channels),
            "labels": (centers, num_labels),
            "directions": (channels, kept),
            "variances": (kept + 1,),
        }
        is_typed = all(one.dtype == np.float32 for one in arrays.values())
        is_positive = bool((arrays["variances"] > 0).all())
        if shapes != expected or not (centers and channels and is_typed and is_positive):
            raise ValueError("the arrays of its novelty score do not fit each other or its labels")
        return cls(**arrays)

    @cached_property
    def precise(self) -> "Quadratic":
        """The squared distances as a quadratic function, in double precision."""
        channels = self.centers.shape[1]
        shift = self.centers.mean(axis=0, dtype=np.float64)
        centers = self.centers.astype(np.float64) - shift
        *along, rest = self.variances.astype(np.float64)
        # Minus what the variance of the rest would add along the directions, plus what they add.
        factors = 1.0 / np.array(along) - 1.0 / rest
        directions = self.directions.astype(np.float64)
        scaled = centers / rest + (centers @ directions * factors) @ directions.T
        return Quadratic(
            shift,
            directions,
            factors / channels,
            1.0 / (rest * channels),
            -2.0 * scaled.T / channels,
            (centers * scaled).sum(axis=1) / channels,
        )

    def distances(
        self, embeddings: Float[np.ndarray, "windows channels"]
    ) -> Float64[np.ndarray, "windows centers"]:
        """The distance of each embedding to each class."""
        form = self.precise
        moved = embeddings.astype(np.float64) - form.shift
        along = ((moved @ form.directions) ** 2) @ form.factors
        squares = (moved**2).sum(axis=1) * form.rest + along
        squares = squares[:, None] + moved @ form.slopes + form.offsets
        return np.sqrt(np.maximum(squares, 0.0))

    def score(
        self, embeddings: Float[np.ndarray, "windows channels"]
    ) -> Float64[np.ndarray, " windows"]:
        """The score of each embedding: high for sound unlike all of training."""
        return self.distances(embeddings).min(axis=1)

    def without_each_label(
        self, distances: Float64[np.ndarray, "windows centers"]
    ) -> Float64[np.ndarray, "windows labels"]:
        """Scores against only the classes without a label, for each label; infinite without any.

        Args:
            distances: From `distances`.
        """
        columns = [
            distances[:, ~has_label].min(axis=1, initial=np.inf)
            for has_label in (self.labels.T > 0)
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Squared distances of an embedding as a quadratic function of x = embedding - shift.

    They are the sum of rest |x|^2, factors (directions x)^2, slopes x and offsets.
    """

    shift: Float64[np.ndarray, " channels"]
    directions: Float64[np.ndarray, "channels directions"]
    factors: Float64[np.ndarray, " directions"]
    rest: float
    slopes: Float64[np.ndarray, "channels centers"]
    offsets: Float64[np.ndarray, " centers"]


def fit_novelty(
    embeddings: Float[np.ndarray, "windows channels"],
    targets: Float[np.ndarray, "windows labels"],
) -> Novelty:
    """Fits classes and their covariance to the embeddings of training sound.

    Args:
        embeddings: Of windows as prediction cuts them, without augmentation.
        targets: Their target rows; equal rows are a class. Of more than `MAX_CENTERS` classes the
            most frequent are kept.
    """
    rows, classes, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_CENTERS])
    position = np.full(len(rows), -1)
    position[kept] = np.arange(len(kept))
    members = position[classes.reshape(-1)]
    embeddings = embeddings.astype(np.float64)[members >= 0]
    members = members[members >= 0]
    centers = np.zeros((len(kept), embeddings.shape[1]))
    np.add.at(centers, members, embeddings)
    centers /= counts[kept][:, None]
    directions, variances = _fit_covariance(embeddings - centers[members])
    return Novelty(
        centers.astype(np.float32),
        rows[kept].astype(np.float32),
        directions.astype(np.float32),
        variances.astype(np.float32),
    )


def _fit_covariance(
    deviations: Float64[np.ndarray, "windows channels"],
) -> tuple[Float64[np.ndarray, "channels directions"], Float64[np.ndarray, " directions_and_rest"]]:
    """Directions of large variance, and the variance along each and in the rest; none is zero.

    Source:
        Chen, Wiesel, Eldar and Hero (2010), Shrinkage algorithms for MMSE covariance estimation,
        IEEE Transactions on Signal Processing 58, equation 23, for the shrinkage.
    """
    number, channels = deviations.shape
    variances, directions = np.linalg.eigh(deviations.T @ deviations / number)
    variances, directions = np.maximum(variances[::-1], 0.0), directions[:, ::-1]
    mean, squares = variances.mean(), (variances**2).mean()
    # As scikit-learn has it, without terms in 2 / channels.
    gap = (number + 1.0) * (squares - mean**2)
    shrinkage = min(1.0, (squares + channels * mean**2) / gap) if gap > 0 else 1.0
    variances = (1.0 - shrinkage) * variances + shrinkage * mean
    # Embeddings that are all alike leave no variance.
    variances = np.maximum(variances, max(1e-6 * mean, 1e-12))
    kept = min(MAX_DIRECTIONS, channels - 1)
    return directions[:, :kept], np.append(variances[:kept], variances[kept:].mean())
