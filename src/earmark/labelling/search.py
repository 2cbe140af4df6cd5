"""The windows of a table that are most similar to a query, exactly, by cosine similarity."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earmark.errors import ConfigError
from earmark.inference.embedding import Embedder, Embeddings
from earmark.labelling.units import unit_vectors
from earmark.labelling.vectors import Vectors
from earmark.system.shapes import Float32, Int64

MAX_QUERY_WINDOWS = 256
"""A longer query would compare any moment with any other."""


class Nearest(NamedTuple):
    """The most similar windows of a table, the best first; of equal ones the first in the table.

    Args:
        rows: Their numbers.
        similarities: Their cosines.
        queries: For each the number of the query that it is similar to.
    """

    rows: Int64[np.ndarray, " found"]
    similarities: Float32[np.ndarray, " found"]
    queries: Int64[np.ndarray, " found"]


class Match(NamedTuple):
    """A moment that is similar to a query.

    Args:
        path: The file.
        start: Where the window starts, in seconds.
        end: Where it ends.
        similarity: Cosine of the two vectors, from -1 to 1.
        query_start: Where the window of the query starts that it is similar to.
    """

    path: Path
    start: float
    end: float
    similarity: float
    query_start: float

    def to_dict(self) -> dict[str, Any]:
        """What ``search --json`` prints of it."""
        return {**self._asdict(), "path": str(self.path)}


def find_nearest(
    vectors: Vectors, queries: Float32[np.ndarray, "queries dimensions"], num_found: int
) -> Nearest:
    """Compares every window of a table with queries; a window counts by its best one.

    Args:
        vectors: The table.
        queries: Vectors of any length.
        num_found: Most windows that are returned.

    Raises:
        ConfigError: The vectors of the queries have another length than those of the table.
    """
    if queries.shape[1] != vectors.dimensions:
        raise ConfigError(
            f"{vectors.path}: its vectors have {vectors.dimensions} values, those of the query "
            f"{queries.shape[1]}; use the model that made the table"
        )
    wanted = unit_vectors(queries).T
    found = Nearest(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64))
    first = 0
    for units in vectors.units():
        similarities = units @ wanted
        best = similarities[:, 0] if len(queries) == 1 else similarities.max(axis=1)
        kept = _largest(best, num_found)
        more = Nearest(kept + first, best[kept], similarities[kept].argmax(axis=1))
        joined = Nearest(*map(np.concatenate, zip(found, more, strict=True)))
        # Rows rise within each part, so a stable order prefers the first in the table.
        order = np.argsort(-joined.similarities, kind="stable")[:num_found]
        found = Nearest(*(values[order] for values in joined))
        first += len(units)
    return found


def search(
    vectors: Vectors,
    embedder: Embedder,
    query: Path,
    *,
    start_seconds: float | None = None,
    num_found: int = 20,
) -> list[Match]:
    """The moments of a table that are most similar to a sound.

    Args:
        vectors: The table.
        embedder: What made it, see `earmark.inference.open_embedder.reopen`.
        query: The sound: each of its windows, of which a moment counts by the most similar one.
        start_seconds: Use only the window of the query that starts here.
        num_found: Most moments that are returned.

    Raises:
        AudioError: The query cannot be decoded.
        ConfigError: The query has too many windows, or vectors of another length.
    """
    queries = _embed_query(embedder, query, start_seconds)
    nearest = find_nearest(vectors, queries.vectors, num_found)
    offset = start_seconds or 0.0
    return [
        Match(*window, round(float(similarity), 6), float(queries.start_seconds[number]) + offset)
        for window, similarity, number in zip(
            vectors.windows(nearest.rows), nearest.similarities, nearest.queries, strict=True
        )
    ]


def _embed_query(embedder: Embedder, query: Path, start_seconds: float | None) -> Embeddings:
    if start_seconds is not None:
        return embedder.embed_window(query, start_seconds)
    found = embedder.embed(query)
    if len(found.vectors) > MAX_QUERY_WINDOWS:
        raise ConfigError(
            f"{query}: a query of {len(found.vectors):,} windows is longer than "
            f"{MAX_QUERY_WINDOWS}; name a moment with --start"
        )
    return found


def _largest(values: Float32[np.ndarray, " _"], count: int) -> Int64[np.ndarray, " _"]:
    """Indices of the largest values, rising; of equal ones at the limit the first."""
    if len(values) <= count:
        return np.arange(len(values))
    limit = np.partition(values, -count)[-count]
    above, equal = np.flatnonzero(values > limit), np.flatnonzero(values == limit)
    return np.sort(np.concatenate([above, equal[: count - len(above)]]))
