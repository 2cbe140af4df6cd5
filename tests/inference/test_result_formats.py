"""The three formats; what an interruption leaves is in test_result_table.py."""

import csv
import io
import json

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.errors import DataError
from earmark.inference import result_formats
from earmark.inference.result_formats import (
    plain_name,
    read_json_lines,
    result_columns,
    result_format,
)
from earmark.inference.result_table import ResultTable

SUFFIXES = ("csv", "jsonl", "parquet")
SURROGATES = st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
# A name is what Python makes of bytes that need not be UTF-8; no file system takes a NUL.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | SURROGATES,
                min_size=1, max_size=9)  # fmt: skip
PROBABILITIES = st.floats(0, 1)


@st.composite
def tables(draw):
    """A vocabulary and results, as `predict --json` prints them."""
    labels = draw(st.lists(NAMES, min_size=2, max_size=3, unique_by=plain_name))
    several = draw(st.booleans())

    def result():
        row = {"path": draw(NAMES)}
        if draw(st.booleans()):
            return {**row, "error": draw(NAMES)}
        if several:
            row["labels"] = draw(st.lists(st.sampled_from(labels), unique=True))
        else:
            row["label"] = draw(st.none() | st.sampled_from(labels))
        if row.get("label", "") is None:
            row["abstained"] = "silence"
        row["probabilities"] = {label: draw(PROBABILITIES) for label in labels}
        if draw(st.booleans()):
            row["novelty"] = draw(st.floats(0, 1e6))
        row["duration_seconds"] = draw(st.floats(0.1, 1e6))
        return row

    return labels, [result() for _ in range(draw(st.integers(0, 5)))]


def write(path, results, labels):
    table_format = result_format(path)
    with path.open("wb") as file:
        table_format.write(file, (table_format.to_row(one, labels) for one in results), labels)


def read(path, labels):
    return list(result_format(path).read(path, labels))


def flat(result, labels, *, empty):
    """A result in a table without lists."""
    label = ";".join(result["labels"]) if "labels" in result else result.get("label", empty)
    row = {
        "path": result["path"],
        "label": empty if label is None else label,
        "abstained": result.get("abstained", empty),
        "novelty": result.get("novelty", empty),
        "duration_seconds": result.get("duration_seconds", empty),
        "error": result.get("error", empty),
    }
    row = {key: plain_name(one) if isinstance(one, str) else one for key, one in row.items()}
    for label in labels:
        probability = result.get("probabilities", {}).get(label, empty)
        row[f"probability_{plain_name(label)}"] = probability
    return row


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_what_is_written_is_read(tmp_path, suffix, table):
    labels, results = table
    path = tmp_path / f"r.{suffix}"
    write(path, results, labels)
    found = read(path, labels)
    if suffix == "jsonl":
        assert found == results
    elif suffix == "parquet":
        expected = [{**flat(one, labels, empty=None), "segments": None} for one in results]
        assert found == expected
    else:
        expected = [flat(one, labels, empty="") for one in results]
        assert found == [{key: str(cell) for key, cell in row.items()} for row in expected]


def test_labels_that_are_not_unicode_have_columns_cells_and_segments(tmp_path):
    label = "caf\udce9"
    segments = [{"start": 0.0, "end": 1.5, "label": label, "probability": 0.75}]
    result = {
        "path": "a.wav", "label": label, "probabilities": {label: 0.75, "tea": 0.25},
        "duration_seconds": 1.5, "segments": segments,
    }  # fmt: skip
    for suffix in ("csv", "parquet"):
        write(tmp_path / f"r.{suffix}", [result], (label, "tea"))
        (row,) = read(tmp_path / f"r.{suffix}", (label, "tea"))
        assert row["label"] == "caf\\udce9"
        assert float(row["probability_caf\\udce9"]) == 0.75
    assert row["segments"] == [{**segments[0], "label": "caf\\udce9"}]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_parquet_is_written_and_read_in_batches_without_a_seam(tmp_path, monkeypatch, count):
    monkeypatch.setattr(result_formats, "BATCH_ROWS", 3)
    path = tmp_path / "r.parquet"
    write(path, [{"path": f"{number}.wav", "error": "e"} for number in range(count)], ("a", "b"))
    assert [one["path"] for one in read(path, ("a", "b"))] == [f"{n}.wav" for n in range(count)]
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == -(-count // 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_are_written_as_they_come_and_the_file_stays_the_callers(
    tmp_path, monkeypatch, suffix
):
    monkeypatch.setattr(result_formats, "BATCH_ROWS", 10)
    path = tmp_path / f"r.{suffix}"
    table_format = result_format(path)
    sizes = set()

    def rows():
        for number in range(1000):
            sizes.add(path.stat().st_size)
            yield table_format.to_row({"path": f"{number}.wav", "error": "e" * 100}, ("a", "b"))

    with path.open("wb") as file:
        table_format.write(file, rows(), ("a", "b"))
        assert not file.closed
    assert len(sizes) > 3
    assert len(read(path, ("a", "b"))) == 1000


def test_a_spreadsheet_sees_one_table(tmp_path):
    """A name with every mark that CSV knows stays in its cell."""
    name = 'a,"b"\r\n;c\t.wav'
    write(tmp_path / "r.csv", [{"path": name, "error": "x"}], ("a", "b"))
    heading, row = csv.reader(io.StringIO((tmp_path / "r.csv").read_bytes().decode(), newline=""))
    assert tuple(heading) == result_columns(("a", "b"))
    assert row[0] == plain_name(name)


LABELS = ("music", "speech")
RESULT = {
    "path": "caf\u00e9.wav", "label": "music", "probabilities": {"music": 0.75, "speech": 0.25},
    "duration_seconds": 1.5,
}  # fmt: skip
DAMAGE = {
    "cut": lambda content: content[:-9],
    "overwritten": lambda content: content[:12] + b"\xff" * 40 + content[52:],
    "of zeros": lambda content: bytes(len(content)),
    "of another format": lambda content: b"\x89PNG\r\n" + content,
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_named_and_stays_as_it_is(tmp_path, suffix, damage):
    path = tmp_path / f"r.{suffix}"
    with ResultTable(path, LABELS, {}, resume=False) as table:
        table.add(RESULT)
        table.finish()
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        ResultTable(path, LABELS, {}, resume=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    # Nothing is left in the way of the advice.
    with ResultTable(path, LABELS, {}, overwrite=True) as table:
        assert table.num_done == 0
        table.finish()
    assert read(path, LABELS) == []


@pytest.mark.parametrize("line", ["[1]", "{}", "null", '{"path": 3}', '{"path": "a', ""])
def test_a_line_that_is_no_result_is_refused(tmp_path, line):
    path = tmp_path / "r.jsonl"
    path.write_text(f"{json.dumps(RESULT)}\n{line}\n")
    with pytest.raises(DataError, match=r"r\.jsonl: damaged: .*--resume"):
        list(read_json_lines(path))


@pytest.mark.parametrize("cells", ["a.wav,music,,1.0,0.0,1.5", "a.wav,music,,1.0,0.0,1.5,,,"])
def test_a_row_of_another_length_is_refused(tmp_path, cells):
    path = tmp_path / "r.csv"
    path.write_text(f"{','.join(result_columns(LABELS))}\n{cells}\n")
    with pytest.raises(DataError, match=r"r\.csv: .*line 2"):
        read(path, LABELS)


@pytest.mark.parametrize("name", ["000001.jsonl", "facts.json"])
def test_a_damaged_piece_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr("earmark.inference.result_pieces.PIECE_RESULTS", 1)
    path = tmp_path / "r.csv"
    with ResultTable(path, LABELS, {}, resume=False) as table:
        for number in range(3):
            table.add({**RESULT, "path": f"{number}.wav"})
    piece = tmp_path / "r.csv.pieces" / name
    whole = piece.read_bytes()
    piece.write_bytes(b"{" + whole)
    with pytest.raises(DataError, match=name):
        ResultTable(path, LABELS, {}, resume=True)
    piece.write_bytes(whole)
    with ResultTable(path, LABELS, {}, resume=True) as table:
        assert table.num_done == 3
        table.finish()
    assert [one["path"] for one in read(path, LABELS)] == ["0.wav", "1.wav", "2.wav"]


def test_a_table_that_cannot_be_opened_is_no_damage(tmp_path):
    for suffix in SUFFIXES:
        with pytest.raises(FileNotFoundError):
            read(tmp_path / f"gone.{suffix}", LABELS)
