"""Search is exact: what a comparison of all pairs finds, in its order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from earmark.errors import ConfigError
from earmark.features.embedder import EmbedderRequest
from earmark.inference.open_embedder import open_other_embedder
from earmark.labelling import search as search_module
from earmark.labelling import vectors as vectors_module
from earmark.labelling.search import Nearest, find_nearest, search
from earmark.labelling.vectors import Vectors


class InMemory(Vectors):
    """A table whose vectors are in its facts, in parts."""

    def units(self):
        yield from self.facts["parts"]


def held(parts):
    """A table of these vectors."""
    return InMemory(Path("held"), sum(map(len, parts)), parts[0].shape[1], {"parts": parts})


def test_the_nearest_are_those_of_another_library(write_vectors, rng, monkeypatch):
    monkeypatch.setattr(vectors_module, "ROW_GROUP", 64)
    values = [rng.normal(size=(200, 8)) for _ in range(3)]
    vectors = write_vectors(*values)
    queries = rng.normal(size=(1, 8)).astype(np.float32)
    reference = NearestNeighbors(n_neighbors=15, metric="cosine", algorithm="brute")
    distances, rows = reference.fit(np.concatenate(values)).kneighbors(queries)
    found = find_nearest(vectors, queries, 15)
    assert found.rows.tolist() == rows[0].tolist()
    np.testing.assert_allclose(found.similarities, 1.0 - distances[0], atol=1e-6)
    windows = vectors.windows(found.rows)
    assert [int(one.path.stem) * 200 + int(one.start) for one in windows] == rows[0].tolist()


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.integers(1, 50),
    st.integers(1, 10),
)
def test_equal_windows_come_in_the_order_of_the_table(levels, number, size):
    units = np.array([[level / 3, 0.0] for level in levels], np.float32)
    table = held([units[at : at + size] for at in range(0, len(units), size)])
    found = find_nearest(table, np.array([[2.0, 0.0]], np.float32), number)
    expected = sorted(range(len(levels)), key=lambda row: (-levels[row], row))[:number]
    assert found.rows.tolist() == expected


def test_a_window_counts_by_the_query_that_it_is_most_like():
    units = np.eye(3, dtype=np.float32)
    found = find_nearest(held([units]), np.array([[0, 1, 0], [1, 0, 0]], np.float32), 2)
    assert isinstance(found, Nearest)
    assert (found.rows.tolist(), found.queries.tolist()) == ([0, 1], [1, 0])


def test_vectors_without_a_length_are_like_nothing(write_vectors):
    vectors = write_vectors([[0.0, 0.0], [-1.0, 0.0], [1e30, 0.0]])
    found = find_nearest(vectors, np.array([[1e-20, 0.0]], np.float32), 5)
    assert found.rows.tolist() == [2, 0, 1]
    assert found.similarities.tolist() == [1.0, 0.0, -1.0]


def test_a_query_of_another_width_is_refused(write_vectors):
    with pytest.raises(ConfigError):
        find_nearest(write_vectors([[1.0, 0.0]]), np.ones((1, 3), np.float32), 5)


def test_the_sound_itself_is_found_at_its_time(tmp_path, write_embedder, write_vectors, rng):
    import soundfile

    write_embedder(tmp_path / "e.onnx", ["batch", 8000], 8, sample_rate=8000)
    embedder = open_other_embedder(EmbedderRequest(tmp_path / "e.onnx")).embedder
    paths = [tmp_path / f"{number}.wav" for number in range(2)]
    for path in paths:
        soundfile.write(path, rng.uniform(-0.5, 0.5, 5 * 8000), 8000, subtype="FLOAT")
    vectors = write_vectors(*(embedder.embed(path).vectors for path in paths))
    best = search(vectors, embedder, paths[1], start_seconds=3.0, num_found=3)[0]
    assert (best.path.name, best.start, best.query_start) == ("1.wav", 3.0, 3.0)
    assert best.similarity == pytest.approx(1.0)
    whole = search(vectors, embedder, paths[1], num_found=5)
    assert sorted(one.start for one in whole) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert all(one.start == one.query_start for one in whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_module, "MAX_QUERY_WINDOWS", 4)
        with pytest.raises(ConfigError, match="--start"):
            search(vectors, embedder, paths[1])
