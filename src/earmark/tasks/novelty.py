"""How unlike the sound of training a sound is: by its distance to the classes, and by doubt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from earmark.system.shapes import Float, Float32, Float64, Int
from earmark.tasks.task import MULTI_CLASS, Task

ARRAYS = ("centers", "scales", "labels", "directions", "variances", "usual")
"""Names of the arrays of a `Novelty`."""
MAX_CONFIDENCE = 2.0
"""Standard deviations above the mean of training that confidence counts."""
MAX_CENTERS = 256
MAX_DIRECTIONS = 6
"""More fit the few clips of training too closely: they separate unknown sound less well."""
PRIOR_WINDOWS = 2
"""Windows at the usual distance of all classes that each class is taken to have besides its own."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """Scores windows by their distance to the classes of training and the doubt of the network.

    The distance is the Mahalanobis distance of the embedding to the nearest mean of a class. The
    classes have covariances that differ by a factor: the sound of some classes varies more. What
    they share is kept in little space: exactly along the directions in which training sound varies
    most, and as one variance in all others. Doubt is minus the largest
    logit, or in other tasks than multi-class minus the mean of their absolute values. Each counts
    in standard deviations from its mean over the sound of training, and their sum is the score:
    about 0 for the sound of training, whatever the scale of the network. Confidence of more than
    two standard deviations above the mean counts no more: a network may be confident on any noise.

    Args:
        task: What the logits mean.
        centers: Mean embedding of each class; in a multi-label task of each set of labels.
        scales: Standard deviation of each class relative to that of all.
        labels: The labels of each class, 1 where it has the label.
        directions: Orthonormal directions of large variance.
        variances: Variance along each of them, and last that in all other directions.
        usual: Mean and standard deviation over the sound of training, of distance and of doubt.

    Source:
        Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples and
        adversarial attacks, NeurIPS, arXiv:1807.03888, equation 2; Tipping and Bishop (1999),
        Probabilistic principal component analysis, Journal of the Royal Statistical Society B 61,
        for the form of the covariance; Hendrycks et al. (2022), Scaling out-of-distribution
        detection for real-world settings, ICML, arXiv:1911.11132, for the largest logit.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> targets = np.eye(3)[np.arange(99) % 3]
        >>> embeddings = targets + 0.1 * rng.normal(size=(99, 3))
        >>> novelty = fit_novelty(embeddings, embeddings, targets, MULTI_CLASS)
        >>> known, unknown = embeddings[:1], np.full((1, 3), 0.3)
        >>> bool(novelty.score(unknown, unknown) > novelty.score(known, known) + 3)
        True
    """

    task: Task
    centers: Float32[np.ndarray, "centers channels"]
    scales: Float32[np.ndarray, " centers"]
    labels: Float32[np.ndarray, "centers labels"]
    directions: Float32[np.ndarray, "channels directions"]
    variances: Float32[np.ndarray, " directions_and_rest"]
    usual: Float32[np.ndarray, " 4"]

    @property
    def arrays(self) -> dict[str, Float32[np.ndarray, "..."]]:
        """The arrays by name, to be stored."""
        return {name: getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], task: Task, num_labels: int
    ) -> "Novelty":
        """The same from stored arrays, which are untrusted.

        Those of versions that had one scale for all classes have no scales.

        Raises:
            ValueError: They do not fit each other or the labels.
        """
        names = list(ARRAYS)
        if "scales" not in arrays and "centers" in arrays:
            arrays = {**arrays, "scales": np.ones(arrays["centers"].shape[:1], np.float32)}
        if sorted(arrays) != sorted(names):
            raise ValueError(f"its novelty score has {sorted(arrays)}, not {sorted(names)}")
        shapes = {name: one.shape for name, one in arrays.items()}
        centers, channels = (*shapes["centers"], 0, 0)[:2]
        kept = arrays["variances"].size - 1
        expected = {
            "centers": (centers, channels),
            "scales": (centers,),
            "labels": (centers, num_labels),
            "directions": (channels, kept),
            "variances": (kept + 1,),
            "usual": (4,),
        }
        is_typed = all(one.dtype == np.float32 for one in arrays.values())
        fits = shapes == expected and centers > 0 and channels > 0 and is_typed
        positive = (arrays["scales"], arrays["variances"], arrays["usual"][1::2]) if fits else ()
        if not fits or any((one <= 0).any() for one in positive):
            raise ValueError("the arrays of its novelty score do not fit each other or its labels")
        return cls(task, **arrays)

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
        weights = 1.0 / (channels * self.scales.astype(np.float64) ** 2)
        return Quadratic(
            shift,
            directions,
            factors,
            1.0 / rest,
            weights,
            -2.0 * scaled.T * weights,
            (centers * scaled).sum(axis=1) * weights,
        )

    def distances(
        self, embeddings: Float[np.ndarray, "windows channels"]
    ) -> Float64[np.ndarray, "windows centers"]:
        """The distance of each embedding to each class."""
        form = self.precise
        moved = embeddings.astype(np.float64) - form.shift
        along = ((moved @ form.directions) ** 2) @ form.factors
        squares = (moved**2).sum(axis=1) * form.rest + along
        squares = squares[:, None] * form.weights + moved @ form.slopes + form.offsets
        return np.sqrt(np.maximum(squares, 0.0))

    def score(
        self,
        embeddings: Float[np.ndarray, "windows channels"],
        logits: Float[np.ndarray, "windows outputs"],
    ) -> Float64[np.ndarray, " windows"]:
        """The score of each window: high for sound unlike all of training.

        Args:
            embeddings: What the classifier gets.
            logits: What it returns.
        """
        return self.combine(self.distances(embeddings).min(axis=1), self.doubt(logits))

    def doubt(
        self, logits: Float[np.ndarray, "windows outputs"]
    ) -> Float64[np.ndarray, " windows"]:
        """How little the network is convinced of any decision."""
        return _doubt(logits, self.task)

    def combine(
        self, distances: Float64[np.ndarray, " windows"], doubt: Float64[np.ndarray, " windows"]
    ) -> Float64[np.ndarray, " windows"]:
        """Distance and doubt as one score."""
        distance, distance_std, mean, std = self.usual.astype(np.float64).tolist()
        relative = np.maximum((doubt - mean) / std, -MAX_CONFIDENCE)
        return (distances - distance) / distance_std + relative

    def without_each_label(
        self,
        distances: Float64[np.ndarray, "windows centers"],
        logits: Float[np.ndarray, "windows outputs"],
    ) -> Float64[np.ndarray, "windows labels"]:
        """Scores by only the classes and logits without a label, for each label.

        Only a multi-class task can do without a logit; in others doubt does not count. Without any
        class left the score is infinite.

        Args:
            distances: From `distances`.
            logits: As for `score`.
        """
        columns = []
        for label, has_label in enumerate(self.labels.T > 0):
            doubt = np.full(len(logits), float(self.usual[2]))
            if self.task is MULTI_CLASS:
                doubt = _doubt(np.delete(logits, label, axis=1), self.task)
            nearest = distances[:, ~has_label].min(axis=1, initial=np.inf)
            columns.append(self.combine(nearest, doubt))
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Squared distances of an embedding as a quadratic function of x = embedding - shift.

    They are weights (rest |x|^2 + factors (directions x)^2) + slopes x + offsets.
    """

    shift: Float64[np.ndarray, " channels"]
    directions: Float64[np.ndarray, "channels directions"]
    factors: Float64[np.ndarray, " directions"]
    rest: float
    weights: Float64[np.ndarray, " centers"]
    slopes: Float64[np.ndarray, "channels centers"]
    offsets: Float64[np.ndarray, " centers"]


def _doubt(
    logits: Float[np.ndarray, "windows outputs"], task: Task
) -> Float64[np.ndarray, " windows"]:
    logits = logits.astype(np.float64)
    return -logits.max(axis=1) if task is MULTI_CLASS else -np.abs(logits).mean(axis=1)


def fit_novelty(
    embeddings: Float[np.ndarray, "windows channels"],
    logits: Float[np.ndarray, "windows outputs"],
    targets: Float[np.ndarray, "windows labels"],
    task: Task,
) -> Novelty:
    """Fits classes and their covariance to the embeddings of training sound.

    Args:
        embeddings: Of windows as prediction cuts them, without augmentation.
        logits: Of the same windows.
        targets: Their target rows; equal rows are a class. Of more than `MAX_CENTERS` classes the
            most frequent are kept.
        task: What the logits mean.
    """
    rows, classes, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_CENTERS])
    position = np.full(len(rows), -1)
    position[kept] = np.arange(len(kept))
    members = position[classes.reshape(-1)]
    embeddings = embeddings.astype(np.float64)[members >= 0]
    doubt = _doubt(logits, task)[members >= 0]
    members = members[members >= 0]
    centers = np.zeros((len(kept), embeddings.shape[1]))
    np.add.at(centers, members, embeddings)
    centers /= counts[kept][:, None]
    directions, variances = _fit_covariance(embeddings - centers[members])
    fitted = Novelty(
        task,
        centers.astype(np.float32),
        np.ones(len(kept), np.float32),
        rows[kept].astype(np.float32),
        directions.astype(np.float32),
        variances.astype(np.float32),
        np.array([0.0, 1.0, 0.0, 1.0], np.float32),
    )
    own = fitted.distances(embeddings)[np.arange(len(members)), members]
    fitted = replace(fitted, scales=_fit_scales(own, members, len(kept)))
    distances = fitted.distances(embeddings).min(axis=1)
    # Windows that are all alike do not deviate.
    usual = [
        number
        for values in (distances, doubt)
        for number in (values.mean(), max(float(values.std()), 1e-3 * abs(values.mean()), 1e-6))
    ]
    return replace(fitted, usual=np.array(usual, np.float32))


def _fit_scales(
    distances: Float64[np.ndarray, " windows"], classes: Int[np.ndarray, " windows"], number: int
) -> Float32[np.ndarray, " classes"]:
    """Root mean square of the distances of each class, relative to that of all."""
    squares = distances**2
    mean = max(float(squares.mean()), 1e-12)
    sums = np.bincount(classes, squares, number) + PRIOR_WINDOWS * mean
    counts = np.bincount(classes, minlength=number) + PRIOR_WINDOWS
    return np.sqrt(sums / counts / mean).astype(np.float32)


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
