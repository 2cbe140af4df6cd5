"""CSV, JSON Lines and Parquet files are read as written; a fault is named with its row."""

import datetime
import decimal
import json
import math

import pyarrow
import pyarrow.parquet
import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError

ROWS = "path,label\na.wav,ché\nb.wav,x\n"


def test_json_lines_end_only_at_line_feeds(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a\u2028b\x85.wav", "label": "x"}\n', encoding="utf-8")
    assert read_manifest(table).recordings[0].name == "a\u2028b\x85.wav"


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("t.txt", b"a.wav", "not a manifest"),
        ("t.csv", b"path,label\n\xff,x\n", "UTF-8"),
        ("t.csv", b"path,label\n", "no sound files"),
        ("t.csv", b"", "no sound files"),
        (
            "t.csv",
            b"file,class\na.wav,x\n",
            "path or label; .* file, class",
        ),
        ("t.csv", b"path,class\na.wav,x\n", "column label; .* path, class"),
        ("t.csv", b"path;label\na.wav;x\n", "path;label, .*';'"),
        ("t.csv", b"path\tlabel\n", r"'\\t'"),
        ("t.csv", b"path,label,Path\na.wav,x,b.wav\n", "two columns .* path"),
        ("t.csv", b"path,label\n\na.wav,x,y\n", "row 3: 3 cells for 2 columns"),
        ("t.csv", b'path,label,note\na,x,"\n"\n\nb,y\n,z\n', "row 6: path"),
        ("t.csv", b'path,label\na,x\n"b,y\nc,x\n', "row 3: .*CSV"),
        (
            "t.csv",
            b"path,label\na,x\nb," + b"y" * 200_000,
            "row 3: .*CSV",
        ),
        ("t.csv", b"path,label\na\0b.wav,x\n", "row 2: .* NUL"),
        ("t.jsonl", b'\n{"path": "a\\u0000", "label": "x"}', "row 2: "),
        ("t.jsonl", b'\n\n{"path": "a", "label": ""}', "row 3: label"),
        ("t.jsonl", b'{"file": "a.wav"}\n{"class": 1}', "path or label"),
        ("t.jsonl", b'{"path": "a.wav", "label": "x"}\n{"path"', "line 2: .*JSON"),
        ("t.jsonl", b"[1, 2]", "line 1: .*JSON"),
        ("t.parquet", b"PAR1 not really", "Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, name, content, key):
    table = tmp_path / name
    table.write_bytes(content)
    with pytest.raises(DataError, match=rf"{table}.*{key}"):
        read_manifest(table)


def test_extra_empty_cells_are_accepted(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("path,label\na.wav,x, ,\n")
    assert [one.labels for one in read_manifest(table).recordings] == [("x",)]


def test_a_list_in_a_json_cell_is_several_labels(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a.wav", "label": ["y", "x"]}')
    assert read_manifest(table).recordings[0].labels == ("x", "y")


def test_a_label_is_the_same_as_whole_number_and_as_float(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a.wav", "label": 1}\n{"path": "b.wav", "label": 1.0}\n')
    assert read_manifest(table).labels == ("1",)


@pytest.mark.parametrize("value", ["NaN", "null", '""'])
def test_a_label_that_is_no_label_is_missing(tmp_path, value):
    table = tmp_path / "table.jsonl"
    table.write_text(f'{{"path": "a.wav", "label": "x"}}\n{{"path": "b.wav", "label": {value}}}\n')
    with pytest.raises(DataError, match=r"table\.jsonl, row 2: label"):
        read_manifest(table)


def test_nan_in_a_parquet_table_is_an_empty_cell(tmp_path):
    table = tmp_path / "table.parquet"
    columns = {"path": ["a.wav", "b.wav"], "label": [[1.0, 2.0], [math.nan, 2.0]]}
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    labels = [one.labels for one in read_manifest(table).recordings]
    assert labels == [("1", "2"), ("2",)]


def test_an_object_in_a_cell_is_refused_with_row_and_column(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a.wav", "label": {"name": "x"}}\n')
    with pytest.raises(DataError, match="row 1, column label"):
        read_manifest(table)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(tmp_path, encoding):
    table = tmp_path / "table.csv"
    table.write_bytes(ROWS.encode(encoding))
    assert read_manifest(table).labels == ("ché", "x")


@pytest.mark.parametrize(
    ("encoding", "key"),
    [("cp1252", "line 2: .*0xe9"), ("utf-16-le", "UTF-"), ("utf-16-be", "UTF-")],
)
def test_another_encoding_is_refused_with_the_fix(tmp_path, encoding, key):
    table = tmp_path / "table.csv"
    table.write_bytes(ROWS.encode(encoding))
    with pytest.raises(DataError, match=f"{key}.*UTF-8"):
        read_manifest(table)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_carriage_returns_alone_end_lines(tmp_path, suffix):
    table = tmp_path / f"table.{suffix}"
    lines = ["path,label", "a.wav,x", "b.wav,"]
    if suffix == "jsonl":
        lines = ['{"path": "c.wav", "label": "x"}'] * 2 + ['{"path": "a.wav", "label": null}']
        lines[1] = lines[1].replace("c", "b", 1)
    table.write_bytes("\r".join(lines).encode())
    with pytest.raises(DataError, match="row 3: label"):
        read_manifest(table)


def test_the_hint_of_a_spreadsheet_is_no_row(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("sep=,\npath,label\na.wav,x\nb.wav,\n")
    with pytest.raises(DataError, match="row 4: label"):
        read_manifest(table)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('[{"path": "a.wav", "label": "x"}]', "array"),
        ('{"path": "a.wav", "label": "x", "label": "y"}', "'label'.* twice"),
        ("[" * 100_000, "array"),
        ("{", "one object per line"),
    ],
)
def test_a_line_that_is_no_object_is_named_with_the_fix(tmp_path, line, key):
    table = tmp_path / "table.jsonl"
    table.write_text(line)
    with pytest.raises(DataError, match=f"line 1: .*{key}"):
        read_manifest(table)


@pytest.mark.parametrize(
    ("suffix", "key"), [(".tsv", "comma"), (".json", "jsonl"), (".xlsx", "CSV")]
)
def test_another_format_is_refused_with_the_fix(tmp_path, suffix, key):
    table = tmp_path / f"table{suffix}"
    table.write_text(ROWS, encoding="utf-8")
    with pytest.raises(DataError, match=key):
        read_manifest(table)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pyarrow.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pyarrow.array([b"x", b"y"]), ["x", "y"]),
        (pyarrow.array([True, False]), ["True", "False"]),
        (pyarrow.array([decimal.Decimal("1.00"), decimal.Decimal("2.50")]), ["1", "2.5"]),
        (pyarrow.array([datetime.date(2020, 1, 2), datetime.date(2021, 1, 2)]), ["2020-01-02", ""]),
        (pyarrow.array([1, 2], pyarrow.int8()), ["1", "2"]),
        (pyarrow.array([1.0, 2.0], pyarrow.float32()), ["1", "2"]),
        (pyarrow.array([["x"], ["y"]]), ["x", "y"]),
    ],
)
def test_values_of_every_type_are_labels_as_people_read_them(tmp_path, values, labels):
    table = tmp_path / "table.parquet"
    columns = {"path": ["a.wav", "b.wav"], "label": values}
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    for one, label in zip(read_manifest(table).recordings, labels, strict=True):
        assert label in one.labels[0]


@pytest.mark.parametrize(
    "values",
    [
        pyarrow.array([{"name": "x"}, {"name": "y"}]),
        pyarrow.array([[("x", 1)], [("y", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int8())),
        pyarrow.array([b"\xff", b"y"]),
    ],
)
def test_values_that_are_no_label_are_refused(tmp_path, values):
    table = tmp_path / "table.parquet"
    columns = {"path": ["a.wav", "b.wav"], "label": values}
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    with pytest.raises(DataError, match="row 1, column label"):
        read_manifest(table)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_column_that_is_not_ours_may_hold_anything(tmp_path, suffix):
    table = tmp_path / f"table.{suffix}"
    row = {"path": "a.wav", "label": "x", "audio": {"rate": 16_000}, "scores": [1, None]}
    if suffix == "jsonl":
        table.write_text(json.dumps(row))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), table)
    assert read_manifest(table).labels == ("x",)
