"""Similar clips, against the cosines of all pairs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from earmark.audio.source import WHOLE, Excerpt
from earmark.errors import DataError
from earmark.labelling.review.similar import NUM_SIMILAR, hold_vectors


@pytest.fixture
def table(tmp_path):
    """Writes vectors of windows of 1 s, ten a file."""

    def write(embeddings, **columns):
        rows = len(embeddings)
        vectors = pa.array(list(np.float32(embeddings)), pa.list_(pa.float32(), 5))
        facts = {
            "path": [f"{row // 10}.wav" for row in range(rows)],
            "start": [float(row % 10) for row in range(rows)],
            "end": [row % 10 + 1.0 for row in range(rows)],
            "embedding": vectors,
        }
        path = tmp_path / "vectors.parquet"
        pyarrow.parquet.write_table(pa.table({**facts, **columns}), path)
        return path

    return write


def test_the_nearest_windows_of_other_moments_are_found(table, tmp_path, rng):
    embeddings = rng.standard_normal((60, 5))
    vectors = hold_vectors(table(embeddings))
    found = vectors.similar(tmp_path / "2.wav", Excerpt(4.0, 5.0))
    query = embeddings[24]
    lengths = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(query)
    cosines = np.float32(embeddings @ query / lengths)
    order = [row for row in np.argsort(-cosines) if row != 24][:NUM_SIMILAR]
    assert [one.row for one in found] == order
    assert [one.cosine for one in found] == pytest.approx(cosines[order], abs=1e-5)
    assert found[0].path == tmp_path / f"{order[0] // 10}.wav"


def test_a_clip_of_several_windows_is_their_mean(table, tmp_path, rng):
    vectors = hold_vectors(table(rng.standard_normal((40, 5))))
    found = vectors.similar(tmp_path / "1.wav", WHOLE)
    mean = vectors.unit[10:20].mean(axis=0)
    best = (vectors.unit @ mean / np.linalg.norm(mean))[[*range(10), *range(20, 40)]].max()
    assert found[0].cosine == pytest.approx(best, abs=1e-5)
    assert all(one.path != tmp_path / "1.wav" for one in found)


def test_a_clip_without_vectors_has_no_similar_ones(table, tmp_path, rng):
    vectors = hold_vectors(table(rng.standard_normal((20, 5))))
    assert vectors.similar(tmp_path / "other.wav", WHOLE) == []
    assert vectors.similar(tmp_path / "1.wav", Excerpt(50.0, 51.0)) == []


def test_other_tables_are_refused(table, tmp_path):
    with pytest.raises(DataError):
        hold_vectors(table(np.full((3, 5), np.nan)))
    with pytest.raises(DataError):
        hold_vectors(tmp_path / "missing.parquet")
    pyarrow.parquet.write_table(pa.table({"path": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError):
        hold_vectors(tmp_path / "other.parquet")
