"""Manifest files are read as people write them; what cannot be meant is named with its row."""

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError


def test_a_mark_at_the_start_and_windows_line_ends_are_no_matter(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("\ufeffpath,label\r\na.wav, x \r\n\r\nb.wav,y\r\n".encode())
    assert [one.labels for one in read_manifest(table).recordings] == [("x",), ("y",)]


def test_json_lines_end_only_at_line_feeds(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a\u2028b\x85.wav", "label": "x"}\n', encoding="utf-8")
    assert read_manifest(table).recordings[0].name == "a\u2028b\x85.wav"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"a.wav", "not a manifest; give a folder, or a .csv, .jsonl or .parquet file"),
        ("t.csv", b"path,label\n\xff,x\n", "cannot be read as UTF-8 text"),
        ("t.csv", b"path,label\n", "no sound files found"),
        ("t.csv", b"", "no sound files found"),
        (
            "t.csv",
            b"file,class\na.wav,x\n",
            "no column is called path or label; .* file, class, and",
        ),
        ("t.csv", b"path,class\na.wav,x\n", "no column is called label; .* rename the columns"),
        ("t.csv", b"path;label\na.wav;x\n", "the columns are path;label, .* cells, not ';'$"),
        ("t.csv", b"path\tlabel\n", r"write commas between cells, not '\\t'$"),
        ("t.csv", b"path,label,Path\na.wav,x,b.wav\n", "two columns are called path; keep one"),
        ("t.csv", b"path,label\n\na.wav,x,y\n", "row 3: 3 cells for 2 columns; put double quotes"),
        ("t.csv", b'path,label,note\na,x,"\n"\n\nb,y\n,z\n', "row 6: path missing"),
        ("t.csv", b'path,label\na,x\n"b,y\nc,x\n', "row 3: cannot be read as CSV"),
        (
            "t.csv",
            b"path,label\na,x\nb," + b"y" * 200_000,
            "row 3: cannot be read as CSV: field la",
        ),
        ("t.csv", b"path,label\na\0b.wav,x\n", "row 2: .* cannot be a path: it holds a NUL"),
        ("t.jsonl", b'\n{"path": "a\\u0000", "label": "x"}', "row 2: .* cannot be a path"),
        ("t.jsonl", b'\n\n{"path": "a", "label": ""}', "row 3: label missing"),
        ("t.jsonl", b'{"file": "a.wav"}\n{"class": 1}', "no column is called path or label"),
        ("t.jsonl", b'{"path": "a.wav", "label": "x"}\n{"path"', "line 2: not a JSON object"),
        ("t.jsonl", b"[1, 2]", "line 1: not a JSON object"),
        ("t.parquet", b"PAR1 not really", "cannot be read as Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, name, content, message):
    table = tmp_path / name
    table.write_bytes(content)
    with pytest.raises(DataError, match=rf"{table}.*{message}"):
        read_manifest(table)


def test_cells_too_many_that_are_empty_are_no_matter(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("path,label\na.wav,x, ,\n")
    assert [one.labels for one in read_manifest(table).recordings] == [("x",)]


def test_a_list_in_a_json_cell_is_several_labels(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text('{"path": "a.wav", "label": ["y", "x"]}')
    assert read_manifest(table).recordings[0].labels == ("x", "y")
