"""Clips that sound like one, by the cosine of their vectors."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.audio.source import Excerpt
from earmark.errors import DataError, needs_extra
from earmark.labelling.review.queue import place_of
from earmark.system.shapes import Bool, Float32, Float64

NUM_SIMILAR = 8


class Similar(NamedTuple):
    """A window that sounds like a clip.

    Args:
        row: Its row in the table of vectors.
        path: Its file.
        start: Where it starts in the file, in seconds.
        end: Where it ends.
        cosine: Of the angle between the vectors, from -1 to 1.
    """

    row: int
    path: Path
    start: float
    end: float
    cosine: float


@dataclass(frozen=True)
class HeldVectors:
    """The vectors of windows, in memory.

    Args:
        paths: File of each.
        starts: Where each starts in its file, in seconds.
        ends: Where each ends.
        unit: Each vector, of length 1.
    """

    paths: tuple[Path, ...]
    starts: Float64[np.ndarray, " windows"]
    ends: Float64[np.ndarray, " windows"]
    unit: Float32[np.ndarray, "windows dimensions"]

    def __post_init__(self) -> None:
        lengths = {len(self.paths), len(self.starts), len(self.ends), len(self.unit)}
        if len(lengths) > 1:
            raise ValueError(f"lengths differ: {sorted(lengths)}")

    def window(self, row: int) -> Similar:
        """A window by its row."""
        ends = float(self.starts[row]), float(self.ends[row])
        return Similar(row, self.paths[row], *ends, 1.0)

    def similar(self, path: Path, excerpt: Excerpt) -> list[Similar]:
        """The windows most like a clip, the most similar first; none of the clip itself.

        Only the best window of each run of neighbours in a file is listed.

        Args:
            path: The file of the clip.
            excerpt: Which part of it; its vector is the mean of the windows in it.
        """
        own = self._overlaps(path, excerpt)
        if not own.any():
            return []
        query = self.unit[own].mean(axis=0)
        length = float(np.linalg.norm(query))
        if not length:
            return []
        cosines = self.unit @ (query / length)
        cosines[own] = -np.inf
        found: list[Similar] = []
        for row in map(int, np.argsort(-cosines, kind="stable")):
            if len(found) == NUM_SIMILAR or not np.isfinite(cosines[row]):
                break
            one = self.window(row)._replace(cosine=float(cosines[row]))
            if not any(_overlap(one, other) for other in found):
                found.append(one)
        return found

    def _overlaps(self, path: Path, excerpt: Excerpt) -> Bool[np.ndarray, " windows"]:
        name = place_of(path, Excerpt())[0]
        end = np.inf if excerpt.end is None else excerpt.end
        return (self._names == name) & (self.starts < end) & (self.ends > excerpt.start)

    @cached_property
    def _names(self) -> np.ndarray:
        return np.array([place_of(one, Excerpt())[0] for one in self.paths], object)


def _overlap(one: Similar, other: Similar) -> bool:
    return one.path == other.path and one.start < other.end and other.start < one.end


def hold_vectors(path: Path) -> HeldVectors:
    """Reads a table of `earmark.labelling.vectors` into memory.

    Args:
        path: The table.

    Raises:
        DataError: It is missing, damaged or another table, or a time is not finite.
    """
    with needs_extra("--vectors"):
        from earmark.labelling.vectors import read_vectors
    table = read_vectors(path)
    windows = table.windows(range(table.num_windows))
    starts, ends = (np.array([one[k] for one in windows], np.float64) for k in (1, 2))
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise DataError(f"{path}: a time is not finite; make the table again")
    unit = np.concatenate([np.zeros((0, table.dimensions), np.float32), *table.units()])
    return HeldVectors(tuple(one.path for one in windows), starts, ends, unit)
