"""A manifest describes each recording; leaks between splits and mistakes are refused."""

import csv
import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from earmark.audio.reading import WHOLE, Excerpt
from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.features.store import ClipKey

ROWS = [
    {
        "path": "clips/b.wav",
        "label": "speech; music",
        "split": "Training",
        "fold": 1,
        "group": "anna",
        "start": 0.5,
        "end": 2.25,
        "licence": "CC0",
    },
    {
        "path": "clips/a b é.flac",
        "label": "music",
        "split": "dev",
        "fold": 2,
        "group": "",
        "start": "",
        "end": None,
        "licence": "",
    },
]


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def write_parquet(path, rows):
    columns = {name: [row[name] or None for row in rows] for name in rows[0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}


def write_table(path, *rows):
    return WRITERS[path.suffix[1:]](path, rows)


def test_recordings_and_labels_come_sorted_and_a_target_is_the_place_of_its_label(tmp_path):
    touch(tmp_path, "b/2.wav", "b/1.wav", "a/9.wav", "C/5.wav")
    manifest = read_manifest(tmp_path)
    assert [one.name for one in manifest.recordings] == ["C/5.wav", "a/9.wav", "b/1.wav", "b/2.wav"]
    assert manifest.labels == ("C", "a", "b")
    assert [manifest.targets(one) for one in manifest.recordings] == [(0,), (1,), (2,), (2,)]


def test_one_name_in_two_normal_forms_is_one_label_and_one_group(tmp_path):
    composed, parted = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    touch(tmp_path, f"train/{composed}/{parted}/1.wav", f"train/{parted}/{composed}/2.wav")
    touch(tmp_path, "train/x/3.wav", f"test/{parted}/4.wav")
    manifest = read_manifest(tmp_path)
    assert manifest.labels == (composed, "x")
    assert {one.group for one in manifest.split("train")} == {composed, "train/x/3.wav"}
    rows = [
        {"path": f"{index}.wav", "label": name, "group": name}
        for index, name in enumerate((composed, parted))
    ]
    table = read_manifest(write_table(tmp_path / "table.csv", *rows))
    assert table.labels == (composed,)
    assert {one.group for one in table.recordings} == {composed}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_table_gives_every_column(tmp_path, kind):
    manifest = read_manifest(write_table(tmp_path / f"table.{kind}", *ROWS))
    first, second = manifest.recordings
    assert first.path == tmp_path / "clips/a b é.flac"
    assert (first.name, first.labels, first.split) == ("clips/a b é.flac", ("music",), "validation")
    assert (first.group, first.fold, first.excerpt) == ("clips/a b é.flac", "2", WHOLE)
    assert (second.name, second.labels) == ("clips/b.wav [0.5-2.25 s]", ("music", "speech"))
    assert (second.split, second.group, second.fold) == ("train", "anna", "1")
    assert second.excerpt == Excerpt(0.5, 2.25)
    assert (first.extra, second.extra) == ({"licence": ""}, {"licence": "CC0"})
    assert manifest.labels == ("music", "speech")
    assert [note for note in manifest.notes if "licence" not in note] == []


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_with_a_manifest_is_read_by_it(tmp_path, kind):
    touch(tmp_path, "other/unlisted.wav")
    write_table(tmp_path / f"manifest.{kind}", {"path": "a.wav", "label": "x"})
    found = read_manifest(tmp_path)
    assert [one.name for one in found.recordings] == ["a.wav"]
    assert found.folder == tmp_path
    assert found.notes == (f"taken from manifest.{kind}",)


def test_a_folder_whose_name_would_be_two_labels_is_refused(tmp_path):
    touch(tmp_path, "rock;pop/a.wav")
    with pytest.raises(DataError, match="'rock;pop'"):
        read_manifest(tmp_path)


def test_a_table_that_is_given_by_itself_has_no_data_folder(tmp_path):
    table = write_table(tmp_path / "manifest.csv", {"path": "a.wav", "label": "x"})
    assert read_manifest(table).folder is None


def test_paths_may_be_absolute(tmp_path):
    path = tmp_path / "elsewhere" / "a.wav"
    table = write_table(tmp_path / "table.csv", {"path": str(path), "label": "x"})
    assert read_manifest(table).recordings[0].path == path


def test_excerpts_of_one_file_are_recordings_of_one_group(tmp_path):
    rows = [
        {"path": "a.wav", "label": label, "start": start, "end": end}
        for label, start, end in [("x", 20, ""), ("y", 3, 7), ("x", "", 3)]
    ]
    manifest = read_manifest(write_table(tmp_path / "table.csv", *rows))
    names = [one.name for one in manifest.recordings]
    assert names == ["a.wav [0-3 s]", "a.wav [20-end s]", "a.wav [3-7 s]"]
    assert {one.group for one in manifest.recordings} == {"a.wav"}


def test_the_table_as_csv_reads_as_it_was(tmp_path):
    manifest = read_manifest(write_table(tmp_path / "table.csv", *ROWS))
    key = ClipKey("k", 0.5, 2.25)
    text = manifest.to_csv({"clips/b.wav [0.5-2.25 s]": key}, tmp_path)
    lines = list(csv.DictReader(text.splitlines()))
    assert [line["name"] for line in lines] == [one.name for one in manifest.recordings]
    assert lines[1] == {
        "path": "clips/b.wav",
        "name": "clips/b.wav [0.5-2.25 s]",
        "label": "music;speech",
        "split": "train",
        "fold": "1",
        "group": "anna",
        "start": "0.5",
        "end": "2.25",
        "key": "k@0.5-2.25",
    }
    assert (lines[0]["start"], lines[0]["end"], lines[0]["key"]) == ("", "", "")


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"path": "", "label": "x"}, "path"),
        ({"path": "b.wav", "label": ""}, "label"),
        ({"path": "b.wav", "label": " ; "}, "label"),
        ({"path": "", "label": ""}, "path and label"),
        ({"split": "holdout"}, "split 'holdout'"),
        ({"start": "soon"}, "start 'soon'"),
        ({"start": "1_0"}, "start '1_0'"),
        ({"end": "1_0"}, "end '1_0'"),
        ({"end": "-1"}, "end '-1'"),
        ({"end": "inf"}, "end 'inf'"),
        ({"start": "5", "end": "2"}, "end 2 s .* start 5 s"),
        ({"start": "5", "end": "5"}, "end 5 s .* start 5 s"),
    ],
)
def test_a_wrong_row_is_named_by_its_number_and_column(tmp_path, kind, row, key):
    fine = dict.fromkeys(("split", "start", "end"), "") | {"path": "a.wav", "label": "x"}
    table = write_table(tmp_path / f"table.{kind}", fine, {**fine, "path": "b.wav", **row})
    number = 3 if kind == "csv" else 2
    with pytest.raises(DataError, match=rf"{table}, row {number}: {key}"):
        read_manifest(table)


@pytest.mark.parametrize("kind", WRITERS)
def test_columns_are_found_in_any_case_of_letters(tmp_path, kind):
    row = {"Path": "a.wav", "LABEL": "x", "Split": "test", " Group": "g", "Note": "n"}
    (one,) = read_manifest(write_table(tmp_path / f"table.{kind}", row)).recordings
    assert (one.labels, one.split, one.group, one.extra) == (("x",), "test", "g", {"Note": "n"})


SPELLINGS = (
    "a.wav",
    "./a.wav",
    "../data/a.wav",
    "{folder}/a.wav",
    "in/../a.wav",
    "link.wav",
    "up/a.wav",
)


@pytest.fixture
def spelt(tmp_path):
    """A folder with one file, which each of SPELLINGS names."""
    folder = touch(tmp_path / "data", "a.wav", "in/b.wav")
    (folder / "link.wav").symlink_to("a.wav")
    (folder / "up").symlink_to(folder)
    return folder


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_file_listed_twice_is_named_however_it_is_spelt(spelt, spelling):
    rows = [
        {"path": path, "label": "x", "start": "1"}
        for path in ("in/b.wav", "a.wav", spelling.format(folder=spelt))
    ]
    table = write_table(spelt / "table.csv", *rows)
    with pytest.raises(DataError, match=r"rows 3 and 4: .*\.wav"):
        read_manifest(table)


def test_all_spellings_of_a_file_are_one_group_by_the_first(spelt):
    rows = [
        {"path": path.format(folder=spelt), "label": "x", "start": index, "end": index + 1}
        for index, path in enumerate(SPELLINGS)
    ]
    table = write_table(spelt / "table.csv", *rows)
    manifest = read_manifest(table)
    assert {one.group for one in manifest.recordings} == {"a.wav"}
    assert {one.path for one in manifest.recordings} == {spelt / "a.wav", spelt / "link.wav"}
    for row, split in zip(rows, ("train", "val", "test") * 3, strict=False):
        row["split"] = split
    with pytest.raises(DataError, match=r"1 groups are in more than one split: a\.wav"):
        read_manifest(write_table(table, *rows))


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_a_file_is_found_in_the_other_normal_form(tmp_path, on_disk):
    path = touch(tmp_path, unicodedata.normalize(on_disk, "été/é.wav")) / "table.csv"
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "été/é.wav")
        (one,) = read_manifest(write_table(path, {"path": name, "label": "x"})).recordings
        assert one.path.is_file()
        assert one.name == one.group == name


@pytest.mark.skipif(os.sep != "/", reason="backslashes separate folders")
def test_a_path_as_windows_writes_it_is_found(tmp_path):
    path = touch(tmp_path, "a/b.wav", "c\\d.wav", "c/d.wav") / "table.csv"
    rows = [{"path": name, "label": "x"} for name in ("a\\b.wav", "c\\d.wav")]
    files = [one.path.name for one in read_manifest(write_table(path, *rows)).recordings]
    assert files == ["b.wav", "c\\d.wav"]


def test_excerpts_that_overlap_in_two_splits_are_refused_whatever_their_groups(spelt):
    def read(*excerpts):
        rows = [
            {"path": path, "label": "x", "start": start, "end": end, "split": split, "group": group}
            for path, start, end, split, group in excerpts
        ]
        return read_manifest(write_table(spelt / "table.csv", *rows))

    before, inside = ("a.wav", 0, 9, "train", "g"), ("./a.wav", 2, 3, "train", "g")
    assert len(read(before, inside, ("link.wav", 9, "", "test", "h"))) == 3
    with pytest.raises(
        DataError,
        match=r"row 2 \(a\.wav \[0-9 s\]\) and row 4 \(link\.wav \[8\.5-end s\]\).* splits",
    ):
        read(before, inside, ("link.wav", 8.5, "", "test", "h"))


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("", "", True),
        ("train", "train", True),
        ("train", "validation", True),
        ("test", "test", False),
    ],
)
def test_excerpts_that_overlap_are_in_one_group_where_a_split_will_part_groups(
    tmp_path, first, second, refused
):
    rows = [
        {
            "path": "a.wav",
            "label": "x",
            "start": start,
            "end": start + 2,
            "split": split,
            "group": start,
        }
        for start, split in enumerate((first, second))
    ]
    table = write_table(tmp_path / "table.csv", *rows)
    if refused:
        with pytest.raises(DataError, match=r"row 2 .* and row 3 "):
            read_manifest(table)
    else:
        assert len(read_manifest(table)) == 2


def test_names_give_every_digit_of_an_excerpt(tmp_path):
    excerpts = [(10000.0, 10000.51), (10000.04, 10000.53), (0.1, 20.0)]
    rows = [{"path": "a.wav", "label": "x", "start": start, "end": end} for start, end in excerpts]
    names = [one.name for one in read_manifest(write_table(tmp_path / "t.csv", *rows)).recordings]
    assert names == [
        "a.wav [0.1-20 s]",
        "a.wav [10000-10000.51 s]",
        "a.wav [10000.04-10000.53 s]",
    ]


def test_a_name_that_two_recordings_have_is_refused(tmp_path):
    rows = [
        {"path": "a.wav", "label": "x", "start": "", "end": "3"},
        {"path": "a.wav [0-3 s]", "label": "x", "start": "", "end": ""},
    ]
    with pytest.raises(DataError, match=r"rows 2 and 3: .*a\.wav \[0-3 s\]"):
        read_manifest(write_table(tmp_path / "t.csv", *rows))


def test_a_split_for_some_rows_only_is_refused(tmp_path):
    rows = [
        {"path": f"{split or 'none'}.wav", "label": "x", "split": split} for split in ("train", "")
    ]
    with pytest.raises(DataError, match=r"none\.wav has no split"):
        read_manifest(write_table(tmp_path / "table.csv", *rows))


def test_groups_in_more_than_one_split_are_named(tmp_path):
    rows = [
        {"path": f"{group}-{split}.wav", "label": "x", "split": split, "group": group}
        for group in ("anna", "ben", "cleo", "dan", "eve")
        for split in (("train", "test", "val") if group == "anna" else ("train", "test"))
        if group != "eve" or split == "train"
    ]
    expected = (
        r"4 groups are in more than one split: anna \(test and train and validation\), "
        r"ben \(test and train\), cleo \(test and train\); "
    )
    with pytest.raises(DataError, match=expected):
        read_manifest(write_table(tmp_path / "table.csv", *rows))


def test_excerpts_of_one_file_may_not_be_in_two_splits(tmp_path):
    rows = [
        {"path": "a.wav", "label": "x", "split": split, "start": start}
        for start, split in enumerate(("train", "test"))
    ]
    with pytest.raises(DataError, match=r"1 groups .*: a\.wav \(test and train\)"):
        read_manifest(write_table(tmp_path / "table.csv", *rows))


def test_missing_data_are_named(tmp_path):
    with pytest.raises(DataError, match="missing"):
        read_manifest(tmp_path / "missing")


def test_a_manifest_may_be_given_by_path_text_or_itself(flat_folder):
    manifest = read_manifest(str(flat_folder))
    assert manifest == read_manifest(flat_folder)
    assert read_manifest(manifest) is manifest


def test_a_manifest_shows_its_labels_and_splits(sound_folder, flat_folder):
    split, flat = read_manifest(sound_folder), read_manifest(flat_folder)
    assert repr(split).count("\n") == 0
    assert "24 recordings" in repr(split)
    assert "train 6 music" in repr(split)
    html = split._repr_html_()
    for cell in ("<th>training</th>", "<td>music</td><td>6</td><td>3</td><td>3</td>"):
        assert cell in html
    assert "<td>speech</td><td>10</td>" in flat._repr_html_()


def test_names_are_escaped_in_html(tmp_path):
    table = write_table(tmp_path / "a&b.csv", {"path": "a.wav", "label": "<b>x"})
    html = read_manifest(table)._repr_html_()
    assert "&lt;b&gt;x" in html
    assert "a&amp;b.csv" in html
    assert "<b>" not in html


def test_data_are_named_as_they_were_given(tmp_path, sound_folder):
    (tmp_path / "rooms").mkdir()
    table = write_table(tmp_path / "rooms" / "manifest.csv", {"path": "a.wav", "label": "x"})
    assert read_manifest(table).given == table
    assert read_manifest(table.parent).given == table.parent
    assert read_manifest(sound_folder).given == sound_folder
    named = replace(read_manifest(table.parent), source=Path("demo data"))
    assert named.given == Path("demo data")
