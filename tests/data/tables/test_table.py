"""Manifest files are read as people write them; a mistake is named with its row."""

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("\ufeffpath,label\r\na.wav, x \r\n\r\nb.wav,y\r\n".encode())
    assert [one.labels for one in read_manifest(table).recordings] == [("x",), ("y",)]


def write(folder, *rows, columns="path,label"):
    table = folder / "table.csv"
    table.write_text("\n".join((columns, *rows)) + "\n", encoding="utf-8")
    return table


@pytest.mark.parametrize(
    ("first", "second", "keys"),
    [
        ("a.wav,x", "a.wav,x", {"keep one row"}),
        ("a.wav,x", "a.wav,y", {"x;y", "one cell"}),
        ("a.wav,x", "./a.wav,y", {"x;y", "one cell"}),
    ],
)
def test_a_file_listed_twice_is_refused_with_the_fix(tmp_path, first, second, keys):
    table = write(tmp_path, first, "b.wav,y", second)
    with pytest.raises(DataError, match=r"rows 2 and 4: .*a\.wav") as caught:
        read_manifest(table)
    assert all(key in str(caught.value) for key in keys)


def test_a_file_listed_in_two_splits_is_refused_with_both(tmp_path):
    table = write(tmp_path, "a.wav,x,train", "a.wav,x,test", columns="path,label,split")
    with pytest.raises(DataError, match="training and test"):
        read_manifest(table)


def test_all_rows_that_are_there_twice_are_counted(tmp_path):
    table = write(tmp_path, *(f"{name}.wav,{label}" for name in "abc" for label in "xyz"))
    with pytest.raises(DataError, match=r"rows 2 and 3: .*\b5 more"):
        read_manifest(table)


def test_events_of_one_file_stay_recordings_of_their_own(tmp_path):
    rows = ("a.wav,x,g,0,1", "a.wav,y,g,1,2", "a.wav,x,g,1,3")
    found = read_manifest(write(tmp_path, *rows, columns="path,label,group,start,end"))
    assert [one.labels for one in found.recordings] == [("x",), ("y",), ("x",)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('"1,5"', "1.5"),
        ("1:02", "62"),
        ("1:00:02.5", "3602.5"),
        ('"0:01,5"', "1.5"),
        ("1_5", ""),
        ("1e400", ""),
        ("infinity", ""),
        ("nan", ""),
        ("\u0663", ""),
        ("-0.5", "negative"),
        ("1.5 s", ""),
        ("12:30pm", ""),
    ],
)
def test_a_time_that_is_no_number_of_seconds_is_refused_with_what_to_write(tmp_path, text, written):
    table = write(tmp_path, "a.wav,x,0,9", f"b.wav,x,{text},99", columns="path,label,start,end")
    with pytest.raises(DataError, match="row 3: start") as caught:
        read_manifest(table)
    assert str(caught.value).count(text.strip('"')) == 1
    assert written in str(caught.value).partition(text.strip('"'))[2]


@pytest.mark.parametrize("text", ["dog\u200b", "\ufeffdog", "do\u00adg", "dog\u00a0", "dog \u2060"])
def test_spellings_of_one_label_are_one_label_with_a_note(tmp_path, text):
    found = read_manifest(write(tmp_path, "a.wav,dog", f"b.wav,{text};cat", "c.wav,cat"))
    assert found.labels == ("cat", "dog")
    assert any("'dog'" in note for note in found.notes) == (text.strip() != "dog")


def test_equal_spellings_give_no_note(tmp_path):
    assert read_manifest(write(tmp_path, "a.wav,dog", "b.wav, dog ")).notes == ()


def test_groups_and_folds_have_one_spelling_too(tmp_path):
    rows = ("a.wav,x,anna,1", "b.wav,y,anna\u200b,01", "c.wav,y, anna ,1.0")
    found = read_manifest(write(tmp_path, *rows, columns="path,label,group,fold")).recordings
    assert {(one.group, one.fold) for one in found} == {("anna", "1")}


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x90"])
def test_a_control_character_in_a_label_is_refused(tmp_path, character):
    table = write(tmp_path, "a.wav,x", f"b.wav,{character}y")
    with pytest.raises(DataError, match="row 3") as caught:
        read_manifest(table)
    assert character not in str(caught.value)


@pytest.mark.parametrize("label", ["NA", "nan", "None", "01", "1.0", "True", "a/b", "=x", "#1"])
def test_a_text_in_a_csv_file_is_a_label_as_it_is(tmp_path, label):
    assert read_manifest(write(tmp_path, f"a.wav,{label}", "b.wav,x")).labels[0] == label


def test_frequency_limits_are_known_columns(tmp_path):
    table = write(tmp_path, "a.wav,x,500,4000.5", "b.wav,y,,", columns="path,label,low_hz,high_hz")
    manifest = read_manifest(table)
    assert manifest.notes == ()
    assert manifest.recordings[0].extra == {"low_hz": "500", "high_hz": "4000.5"}


@pytest.mark.parametrize("limits", ["x,4000", "-1,4000", "4000,500", "500,500", '"1,5",4000'])
def test_wrong_frequency_limits_are_named_with_their_row(tmp_path, limits):
    table = write(tmp_path, f"a.wav,x,{limits}", columns="path,label,low_hz,high_hz")
    with pytest.raises(DataError, match="row 2: low_hz"):
        read_manifest(table)
