"""Manifest files are read as people write them; a mistake is named with its row."""

import json
import math

import pyarrow
import pyarrow.parquet
import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("\ufeffpath,label\r\na.wav, x \r\n\r\nb.wav,y\r\n".encode())
    assert [one.labels for one in read_manifest(table).recordings] == [("x",), ("y",)]


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


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("start_time", "start"),
        ("Begin Time (s)", "start"),
        ("onset", "start"),
        ("End Time (s)", "end"),
        ("offset", "end"),
        ("subset", "split"),
        ("Splits", "split"),
        ("groups", "group"),
        ("folds", "fold"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_column_that_is_nearly_ours_is_refused(tmp_path, column, meant, suffix):
    table = tmp_path / f"table.{suffix}"
    row = {"path": "a.wav", "label": "x", column: "1"}
    lines = [",".join(row), ",".join(row.values())] if suffix == "csv" else [json.dumps(row)]
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"did you mean {meant}\?") as caught:
        read_manifest(table)
    assert repr(column) in str(caught.value)


@pytest.mark.parametrize("column", ["room", "source", "folder", "speaker", "trend", "start_time"])
def test_other_columns_are_kept(tmp_path, column):
    table = tmp_path / "table.csv"
    table.write_text(f"path,label,start,{column}\na.wav,x,1,2\n")
    assert read_manifest(table).recordings[0].extra == {column: "2"}


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
