"""No column that people may mean as one of ours is ignored without a word."""

import json

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError


def write(folder, columns, *rows):
    table = folder / "table.csv"
    table.write_text("\n".join((columns, *rows)) + "\n", encoding="utf-8")
    return table


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
        *((name, "start") for name in ("t0", "tmin", "from", "begin", "startTime", "Start (s)")),
        *((name, "start") for name in ("event_onset", "segment start", "start_ms", "strat")),
        *((name, "end") for name in ("to", "stop", "tmax", "EndTime", "offset_seconds", "End [s]")),
        *((name, "split") for name in ("partition", "set", "is_train", "Data Split", "spilt")),
        *((name, "start") for name in ("starttime", "startsec", "segstart", "min_t", "onsetms")),
        *((name, "end") for name in ("endtime", "timeend", "stopsec", "max_t")),
        *((name, "fold") for name in ("cv_fold", "fold_id", "kfold")),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_column_that_is_nearly_ours_is_refused(tmp_path, column, meant, suffix):
    table = tmp_path / f"table.{suffix}"
    row = {"path": "a.wav", "label": "x", column: "1"}
    lines = [",".join(row), ",".join(row.values())] if suffix == "csv" else [json.dumps(row)]
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"did you mean (start or )?{meant}\b.*\?") as caught:
        read_manifest(table)
    assert repr(column) in str(caught.value)


@pytest.mark.parametrize(
    "column",
    [
        "room",
        "source",
        "folder",
        "speaker",
        "trend",
        "endemic",
        "fromage",
        "sometime",
        "start_time",
        "state",
        "onset",
        "from",
        "date",
    ],
)
def test_other_columns_are_kept(tmp_path, column):
    table = tmp_path / "table.csv"
    table.write_text(f"path,label,start,{column}\na.wav,x,1,2\n")
    assert read_manifest(table).recordings[0].extra == {column: "2"}


def test_other_columns_are_listed_once(tmp_path):
    notes = read_manifest(write(tmp_path, "path,label,age,,device", "a.wav,x,1,2,3")).notes
    (note,) = [one for one in notes if "age, device" in one]
    assert note.count("device") == 1


def test_a_table_of_our_columns_gives_no_note(tmp_path):
    assert read_manifest(write(tmp_path, " Path , LABEL ,Split", "a.wav,x,train")).notes == ()


@pytest.mark.parametrize(("columns", "advised"), [("speaker", True), ("speaker,group", False)])
def test_a_column_that_may_be_the_group_is_pointed_out(tmp_path, columns, advised):
    notes = read_manifest(write(tmp_path, f"path,label,{columns}", "a.wav,x,1")).notes
    assert any("rename speaker to group" in note for note in notes) == advised


@pytest.mark.parametrize(
    "column",
    ["duration", "Duration (s)", "length", "dur", "Delta Time (s)", "durationms", "num_frames"],
)
def test_a_duration_beside_a_start_is_refused(tmp_path, column):
    with pytest.raises(DataError, match="end = start"):
        read_manifest(write(tmp_path, f"path,label,start,{column}", "a.wav,x,1,2"))


@pytest.mark.parametrize(("columns", "cells"), [("duration", "1"), ("start,end,duration", "1,2,1")])
def test_a_duration_that_changes_nothing_is_kept(tmp_path, columns, cells):
    found = read_manifest(write(tmp_path, f"path,label,{columns}", f"a.wav,x,{cells}")).recordings
    assert "duration" in found[0].extra


@pytest.mark.parametrize(
    ("columns", "meant"),
    [("onset,offset", "start"), ("start,offset", "end"), ("offset,duration", "start")],
)
def test_an_offset_is_a_start_or_an_end_by_the_columns_beside_it(tmp_path, columns, meant):
    with pytest.raises(DataError, match=rf"mean {meant}\?"):
        read_manifest(write(tmp_path, f"path,label,{columns}", "a.wav,x,1,2"))


def test_times_in_other_units_are_to_be_converted(tmp_path):
    with pytest.raises(DataError, match="start, in seconds"):
        read_manifest(write(tmp_path, "path,label,onset_ms", "a.wav,x,1500"))


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("file", "class"),
        ("filename", "category"),
        ("file_name", "target"),
        ("slice_file_name", "classID"),
        ("audio_filepath", "tags"),
        ("wav", "species"),
        ("Begin File", "Species"),
        ("fname", "lable"),
        ("Pfad", "event_label"),
    ],
)
def test_columns_that_are_needed_are_found_under_other_names(tmp_path, path, label):
    with pytest.raises(DataError, match=f"rename {path} to path and {label} to label"):
        read_manifest(write(tmp_path, f"id,{path},{label}", "1,a.wav,x"))


def test_a_column_of_split_names_is_the_split(tmp_path):
    rows = ("a.wav,x,train", "b.wav,x,", "c.wav,y,Test")
    with pytest.raises(DataError, match=r"'used_for'.* split"):
        read_manifest(write(tmp_path, "path,label,used_for", *rows))
    other = write(tmp_path, "path,label,vehicle", "a.wav,x,train", "b.wav,x,train")
    assert len(read_manifest(other)) == 2


@pytest.mark.parametrize("column", ["label_2", "label.1", "Label 2", "labels2"])
def test_several_columns_of_labels_are_refused(tmp_path, column):
    with pytest.raises(DataError, match=f"{column}.* ';'"):
        read_manifest(write(tmp_path, f"path,label,{column}", "a.wav,x,y"))


def test_all_columns_to_rename_are_named_at_once(tmp_path):
    table = write(tmp_path, "path,label,onset,offset,partition", "a.wav,x,1,2,train")
    with pytest.raises(DataError) as caught:
        read_manifest(table)
    for column, meant in {"onset": "start", "offset": "end", "partition": "split"}.items():
        assert f"{column!r} (did you mean {meant}?)" in str(caught.value)
