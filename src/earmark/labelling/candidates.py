"""Windows of recordings that may be labelled next, with what a model knows of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import CheckpointError, FailedFile
from earmark.features.levels import window_levels_db
from earmark.inference.backend import run_backend
from earmark.inference.classifier import Classifier
from earmark.inference.embedders import ModelEmbedder
from earmark.inference.embedding import EmbeddedFile, Windows
from earmark.inference.watching import Watch, ignore
from earmark.models.spec import ModelSpec
from earmark.system.shapes import Bool, Float32, Float64, Int64
from earmark.tasks.task import MULTI_LABEL


@dataclass(frozen=True)
class Candidates:
    """Windows of recordings that are not silent, in order.

    Args:
        spec: Of the model.
        paths: The recordings.
        files: For each window the number of its recording.
        starts: Where it starts, in seconds.
        ends: Where it ends.
        vectors: Its embedding.
        probabilities: Of each label.
        chosen: Which labels are predicted.
        novelty: How unlike training it is; not a number where the model has no score.
        num_silent: Number of silent windows, which are left out.
    """

    spec: ModelSpec
    paths: tuple[Path, ...]
    files: Int64[np.ndarray, " windows"]
    starts: Float64[np.ndarray, " windows"]
    ends: Float64[np.ndarray, " windows"]
    vectors: Float32[np.ndarray, "windows dimensions"]
    probabilities: Float32[np.ndarray, "windows labels"]
    chosen: Bool[np.ndarray, "windows labels"]
    novelty: Float32[np.ndarray, " windows"]
    num_silent: int = 0

    def __len__(self) -> int:
        return len(self.files)

    def margins(self) -> Float64[np.ndarray, " windows"]:
        """How close each window is to a decision boundary, 0 at the boundary.

        The difference of the two largest probabilities; in a multi-label task the smallest
        distance of a probability to its threshold.
        """
        values = self.probabilities.astype(np.float64)
        if self.spec.task is MULTI_LABEL:
            return np.abs(values - np.array(self.spec.thresholds)).min(axis=1)
        second, first = np.sort(values, axis=1)[:, -2:].T
        return first - second

    def predicted(self, window: int) -> tuple[str, float]:
        """The labels of a window, joined by semicolons, and the probability of the first.

        Args:
            window: Its number.
        """
        values = self.probabilities[window]
        order = [one for one in np.argsort(-values, kind="stable") if self.chosen[window, one]]
        labels = ";".join(self.spec.labels[one] for one in order)
        return labels, float(values[order[0]] if order else values.max())


def collect_candidates(
    classifier: Classifier,
    paths: Iterable[Path],
    *,
    hop_seconds: float | None = None,
    watch: Watch = ignore,
) -> tuple[Candidates, list[FailedFile]]:
    """Runs a model over recordings.

    Args:
        classifier: The model.
        paths: The recordings.
        hop_seconds: As for `earmark.inference.classifier.Classifier.windows`.
        watch: As for `earmark.inference.classifier.Classifier.predict_many`.

    Returns:
        The windows, and the files that could not be read.

    Raises:
        CheckpointError: The model gives no embeddings.
    """
    reader = _WindowReader(classifier, hop_seconds)
    found: list[EmbeddedFile] = []
    failed: list[FailedFile] = []
    # Before any file: a model without embeddings would fail for each.
    num_values = reader.dimensions
    for one in reader.embed_many(paths, watch=watch):
        if isinstance(one, FailedFile):
            failed.append(one)
        else:
            found.append(one)
    rows = [one.embeddings.vectors for one in found]
    table = np.concatenate(rows) if rows else np.zeros((0, num_values), np.float32)
    return _split(reader, found, table), failed


class _WindowReader(ModelEmbedder):
    """Gives for each window the embedding, probabilities, labels, novelty and silence in a row."""

    def __init__(self, classifier: Classifier, hop_seconds: float | None) -> None:
        embedder = classifier.embedder(hop_seconds)
        super().__init__(classifier.spec, embedder.backend, embedder.name, hop_seconds)
        self.spec = classifier.spec

    def run(self, windows: Windows) -> Float32[np.ndarray, "windows columns"]:
        spec = self.spec
        output = run_backend(self.backend, windows)
        if output.embeddings is None or not np.isfinite(output.embeddings).all():
            raise CheckpointError(
                f"{self.name}: gives no embeddings, or none that are finite; export it again"
            )
        levels_db = window_levels_db(windows, spec.config.features)
        decisions = spec.window_rule.without_abstention.decide(output.logits)
        nothing = np.full(len(windows), np.nan)
        columns = (
            output.embeddings,
            decisions.probabilities,
            decisions.chosen,
            nothing if output.novelty is None else output.novelty,
            levels_db < spec.config.predict.silence_db,
        )
        return np.column_stack(columns).astype(np.float32)


def _split(
    reader: _WindowReader,
    found: Sequence[EmbeddedFile],
    table: Float32[np.ndarray, "windows columns"],
) -> Candidates:
    """The columns of rows of `_WindowReader`, without silence."""
    num_labels = len(reader.spec.labels)
    places = np.cumsum([table.shape[1] - 2 * num_labels - 2, num_labels, num_labels, 1])
    vectors, probabilities, chosen, novelty, silent = np.split(table, places, axis=1)
    kept = silent[:, 0] == 0
    counts = [len(one.embeddings.vectors) for one in found]
    starts = [one.embeddings.start_seconds for one in found] or [np.zeros(0)]
    ends = [one.embeddings.end_seconds for one in found] or [np.zeros(0)]
    return Candidates(
        spec=reader.spec,
        paths=tuple(one.path for one in found),
        files=np.repeat(np.arange(len(found)), counts)[kept],
        starts=np.concatenate(starts)[kept],
        ends=np.concatenate(ends)[kept],
        vectors=vectors[kept],
        probabilities=probabilities[kept],
        chosen=chosen[kept] > 0,
        novelty=novelty[kept, 0],
        num_silent=int(len(kept) - kept.sum()),
    )
