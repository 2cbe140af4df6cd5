"""Tables of vectors: whole, resumable, and never a mixture of what does not belong together."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earmark.errors import ConfigError, DataError
from earmark.inference.embedding import EmbeddedFile, Embeddings
from earmark.labelling import vector_pieces
from earmark.labelling.units import units_path
from earmark.labelling.vector_table import VectorTable
from earmark.labelling.vectors import Window, read_vectors

FACTS = {"kind": "model", "model": "somewhere", "digest": "d"}


def embedded(path, values, dimensions=3):
    """A file whose windows hold one value each."""
    values = np.array(values, np.float32)
    starts = np.arange(len(values), dtype=np.float64)
    vectors = np.repeat(values[:, None], dimensions, axis=1)
    vectors[:, 0] += 1
    return EmbeddedFile(path, Embeddings(starts, starts + 1.0, vectors), float(len(values)))


@pytest.fixture
def files(tmp_path):
    found = [tmp_path / "sounds" / f"{name}.wav" for name in "abc"]
    found[0].parent.mkdir()
    for path in found:
        path.write_bytes(b"sound")
        os.utime(path, (1, 1))
    return found


def rows(path):
    return pq.read_table(path).to_pylist()


def test_rows_are_as_another_reader_sees_them(tmp_path, files):
    path = tmp_path / "out" / "v.parquet"
    with VectorTable(path, 3, FACTS) as table:
        table.add(embedded(files[0], [1.0, 2.0]))
        table.add(embedded(files[1], [5.0]))
        vectors = table.finish()
    assert rows(path) == [
        {"path": "../sounds/a.wav", "start": 0.0, "end": 1.0, "embedding": [2.0, 1.0, 1.0]},
        {"path": "../sounds/a.wav", "start": 1.0, "end": 2.0, "embedding": [3.0, 2.0, 2.0]},
        {"path": "../sounds/b.wav", "start": 0.0, "end": 1.0, "embedding": [6.0, 5.0, 5.0]},
    ]
    assert (vectors.num_windows, vectors.dimensions) == (3, 3)
    assert vectors.facts == {**FACTS, "dimensions": 3}
    assert vectors.windows([2, 0, 2]) == [
        Window(files[1], 0.0, 1.0),
        Window(files[0], 0.0, 1.0),
        Window(files[1], 0.0, 1.0),
    ]
    assert not path.with_name("v.parquet.pieces").exists()


def test_interrupted_work_continues_and_changed_files_are_embedded_again(
    tmp_path, files, monkeypatch
):
    monkeypatch.setattr(vector_pieces, "PIECE_WINDOWS", 2)
    monkeypatch.setattr("earmark.system.file_state.SETTLING_NS", -1)
    path = tmp_path / "v.parquet"
    with VectorTable(path, 3, FACTS) as table:
        assert not table.is_done(files[0])
        table.add(embedded(files[0], [1.0, 2.0, 3.0]))
        assert not table.is_done(files[1])
        table.add(embedded(files[1], [4.0]))
    assert not path.exists()
    with pytest.raises(ConfigError):
        VectorTable(path, 3, FACTS)
    with VectorTable(path, 3, FACTS, resume=True) as table:
        assert table.num_done == 2
        assert [table.is_done(one) for one in files] == [True, True, False]
        table.add(embedded(files[2], [9.0]))
        table.finish()
    assert [one["embedding"][1] for one in rows(path)] == [1.0, 2.0, 3.0, 4.0, 9.0]
    files[0].write_bytes(b"other sound")
    with VectorTable(path, 3, FACTS, resume=True) as table:
        assert [table.is_done(one) for one in files] == [False, True, True]
        table.add(embedded(files[0], [7.0]))
        table.finish()
    assert [one["embedding"][1] for one in rows(path)] == [4.0, 9.0, 7.0]
    units = np.concatenate(list(read_vectors(path).units()))
    assert units_path(path).exists()
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1.0, rtol=1e-6)
    assert len(units) == 3


def test_what_was_made_otherwise_is_not_mixed_in(tmp_path, files):
    path = tmp_path / "v.parquet"
    with VectorTable(path, 3, FACTS) as table:
        table.add(embedded(files[0], [1.0]))
        table.finish()
    with pytest.raises(ConfigError):
        VectorTable(path, 3, FACTS)
    for dimensions, facts in ((4, FACTS), (3, {**FACTS, "digest": "e"})):
        with pytest.raises(ConfigError):
            VectorTable(path, dimensions, facts, resume=True)
    # Only the place of the model has changed.
    with VectorTable(path, 3, {**FACTS, "model": "elsewhere"}, resume=True) as table:
        assert table.num_done == 1
    with VectorTable(path, 4, FACTS, overwrite=True) as table:
        table.add(embedded(files[1], [1.0], 4))
        table.finish()
    assert read_vectors(path).dimensions == 4
    with pytest.raises(ConfigError):
        VectorTable(tmp_path / "v.csv", 3, FACTS)


def test_one_process_writes_a_table(tmp_path):
    with VectorTable(tmp_path / "v.parquet", 3, FACTS), pytest.raises(DataError):
        VectorTable(tmp_path / "v.parquet", 3, FACTS)
    assert not (tmp_path / "v.parquet.pieces").exists()


def test_a_table_without_files_is_a_table(tmp_path):
    with VectorTable(tmp_path / "v.parquet", 3, FACTS) as table:
        assert table.finish().num_windows == 0
    assert list(read_vectors(tmp_path / "v.parquet").units())[:1] in ([], [[]])


def test_damaged_pieces_are_named(tmp_path, files):
    path = tmp_path / "v.parquet"
    with VectorTable(path, 3, FACTS) as table:
        table.add(embedded(files[0], [1.0]))
    piece = path.with_name("v.parquet.pieces") / "000000.parquet"
    piece.write_bytes(piece.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"000000\.parquet"):
        VectorTable(path, 3, FACTS, resume=True)


def test_units_of_another_state_of_the_table_are_made_anew(tmp_path, files):
    path = tmp_path / "v.parquet"
    with VectorTable(path, 3, FACTS) as table:
        table.add(embedded(files[0], [1.0, 2.0]))
        vectors = table.finish()
    before = np.concatenate(list(vectors.units()))
    table = pq.read_table(path)
    values = pa.array(np.arange(6, dtype=np.float32))
    embedding = pa.FixedSizeListArray.from_arrays(values, type=table.schema.field(3).type)
    pq.write_table(table.set_column(3, table.schema.field(3), embedding), path)
    changed = np.concatenate(list(read_vectors(path).units()))
    assert not np.allclose(before, changed)
    np.testing.assert_allclose(changed[0], np.array([0, 1, 2]) / 5**0.5, rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate(list(read_vectors(path).units())), changed)
    units_path(path).write_bytes(units_path(path).read_bytes()[:-4])
    np.testing.assert_array_equal(np.concatenate(list(read_vectors(path).units())), changed)


@pytest.mark.parametrize(
    "column",
    [
        ("embedding", pa.array([[1.0, 2.0]], pa.list_(pa.float32()))),
        ("embedding", pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2))),
        ("start", pa.array(["0"])),
        ("path", pa.array([1])),
        ("end", None),
    ],
    ids=lambda one: one[0],
)
def test_tables_with_other_columns_are_refused(tmp_path, column):
    columns = {
        "path": pa.array(["a.wav"]),
        "start": pa.array([0.0]),
        "end": pa.array([1.0]),
        "embedding": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
    }
    name, values = column
    pq.write_table(pa.table(columns), tmp_path / "v.parquet")
    assert read_vectors(tmp_path / "v.parquet").facts == {}
    changed = {**columns, name: values} if values is not None else columns
    if values is None:
        del changed[name]
    pq.write_table(pa.table(changed), tmp_path / "v.parquet")
    with pytest.raises(DataError):
        read_vectors(tmp_path / "v.parquet")


@pytest.mark.parametrize("cell", [None, [1.0, float("nan")]])
def test_rows_without_a_finite_vector_are_refused(tmp_path, cell):
    path = tmp_path / "v.parquet"
    embedding = pa.array([[1.0, 2.0], cell], pa.list_(pa.float32(), 2))
    numbers = pa.array([0.0, 1.0])
    table = {"path": pa.array(["a", "a"]), "start": numbers, "end": numbers}
    pq.write_table(pa.table({**table, "embedding": embedding}), path)
    with pytest.raises(DataError):
        list(read_vectors(path).units())
    assert not units_path(path).exists()


def test_a_newer_format_is_refused(tmp_path):
    with VectorTable(tmp_path / "v.parquet", 3, FACTS) as table:
        table.finish()
    table = pq.read_table(tmp_path / "v.parquet")
    text = json.dumps({"format": 2}).encode()
    pq.write_table(table.replace_schema_metadata({b"earmark": text}), tmp_path / "v.parquet")
    with pytest.raises(DataError):
        read_vectors(tmp_path / "v.parquet")


def test_a_file_that_is_named_twice_counts_once(tmp_path, files):
    path = tmp_path / "v.parquet"
    (tmp_path / "link").symlink_to(files[0].parent)
    with VectorTable(path, 3, FACTS) as table:
        table.add(embedded(files[0], [1.0, 2.0]))
        table.add(embedded(files[0], [3.0, 4.0]))
        table.add(embedded(tmp_path / "link" / "a.wav", [5.0]))
        assert table.finish().num_windows == table.num_windows == 1
    assert [one["embedding"][1] for one in rows(path)] == [5.0]
