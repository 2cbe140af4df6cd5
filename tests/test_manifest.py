"""Folders and tables are read as people write them; what cannot be meant is refused by name."""

import csv
import json

import pyarrow
import pyarrow.parquet
import pytest

from earmark.audio import WHOLE, Excerpt
from earmark.errors import DataError
from earmark.manifest import read_manifest

ALIASES = {
    "train": ("training", "train", "Training", "TRAIN"),
    "validation": ("validation", "valid", "val", "dev", "Val", "DEV"),
    "test": ("testing", "test", "Test"),
}
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


@pytest.mark.parametrize(
    ("split", "alias"), [(split, alias) for split in ALIASES for alias in ALIASES[split]]
)
def test_split_folders_go_by_many_names_in_any_case(tmp_path, split, alias):
    folders = {"train": "train", "validation": "val", "test": "test", split: alias}
    touch(tmp_path, *(f"{folder}/music/{folder}.wav" for folder in folders.values()))
    manifest = read_manifest(tmp_path)
    assert manifest.has_splits
    assert [one.name for one in manifest.split(split)] == [f"{alias}/music/{alias}.wav"]


def test_a_folder_with_splits_gives_each_recording_its_label_and_split(sound_folder):
    manifest = read_manifest(sound_folder)
    assert len(manifest) == 24
    assert manifest.labels == ("music", "speech")
    for one in manifest.recordings:
        split, label, _ = one.name.split("/")
        assert one.labels == (label,)
        assert one.split == {"training": "train", "testing": "test"}.get(split, split)
        assert one.path == sound_folder / one.name
        assert one.group == one.name
    assert manifest.summary() == (
        "train 6 music + 6 speech, validation 3 music + 3 speech, test 3 music + 3 speech"
    )


def test_a_folder_of_labels_has_no_splits(flat_folder):
    manifest = read_manifest(flat_folder)
    assert not manifest.has_splits
    assert manifest.split("train") == ()
    assert {one.group for one in manifest.recordings} == {one.name for one in manifest.recordings}
    assert manifest.summary() == "10 music, 10 speech"
    assert manifest.notes == ()


def test_recordings_and_labels_come_sorted_and_a_target_is_the_place_of_its_label(tmp_path):
    touch(tmp_path, "b/2.wav", "b/1.wav", "a/9.wav", "C/5.wav")
    manifest = read_manifest(tmp_path)
    assert [one.name for one in manifest.recordings] == ["C/5.wav", "a/9.wav", "b/1.wav", "b/2.wav"]
    assert manifest.labels == ("C", "a", "b")
    assert [manifest.target(one) for one in manifest.recordings] == [0, 1, 2, 2]


def test_the_folder_below_a_label_is_the_group_for_all_labels_alike(tmp_path):
    touch(tmp_path, "a/anna/1.wav", "a/anna/deep/2.wav", "b/anna/3.wav", "b/ben/4.wav", "b/5.wav")
    manifest = read_manifest(tmp_path)
    groups = [one.group for one in manifest.recordings]
    assert groups == ["anna", "anna", "b/5.wav", "anna", "ben"]
    assert manifest.notes == ("the folders below each label are taken as 2 groups",)


def test_folders_below_a_label_are_searched_in_split_folders_too(tmp_path):
    touch(tmp_path, "train/music/deep/deeper/1.wav", "test/music/2.wav")
    assert [one.labels for one in read_manifest(tmp_path).recordings] == [("music",)] * 2


def test_names_may_hold_spaces_and_any_script_and_extensions_any_case(tmp_path):
    names = {"müsik/träck 1.WAV", "müsik/歌.FlaC", "речь/a;b,c.Mp3"}
    touch(tmp_path, *names, "müsik/cover.jpg", "müsik/notes.txt")
    assert {one.name for one in read_manifest(tmp_path).recordings} == names


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touch(tmp_path, "a/1.wav", "a/.2.wav", "a/.cache/3.wav", ".git/4.wav", "a/._5.wav")
    assert [one.name for one in read_manifest(tmp_path).recordings] == ["a/1.wav"]


def test_what_is_left_out_is_said_aloud(tmp_path):
    touch(tmp_path, "train/a/1.wav", "test/a/2.wav", "train/loose.wav", "docs/3.wav", ".x/4.wav")
    manifest = read_manifest(tmp_path)
    assert len(manifest) == 2
    assert manifest.notes == (
        "docs: not a split folder, left out",
        "train/loose.wav: not in a folder named by its label, left out",
    )


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
    assert manifest.notes == (f"taken from table.{kind}",)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_with_a_manifest_is_read_by_it(tmp_path, kind):
    touch(tmp_path, "other/unlisted.wav")
    write_table(tmp_path / f"manifest.{kind}", {"path": "a.wav", "label": "x"})
    assert [one.name for one in read_manifest(tmp_path).recordings] == ["a.wav"]


def test_paths_may_be_absolute(tmp_path):
    path = tmp_path / "elsewhere" / "a.wav"
    table = write_table(tmp_path / "table.csv", {"path": str(path), "label": "x"})
    assert read_manifest(table).recordings[0].path == path


def test_stretches_of_one_file_are_recordings_of_one_group(tmp_path):
    rows = [
        {"path": "a.wav", "label": label, "start": start, "end": end}
        for label, start, end in [("x", 20, ""), ("y", 3, 7), ("x", "", 3)]
    ]
    manifest = read_manifest(write_table(tmp_path / "table.csv", *rows))
    names = [one.name for one in manifest.recordings]
    assert names == ["a.wav [0-3 s]", "a.wav [20-end s]", "a.wav [3-7 s]"]
    assert {one.group for one in manifest.recordings} == {"a.wav"}


def test_a_mark_at_the_start_and_windows_line_ends_are_no_matter(tmp_path):
    table = tmp_path / "table.csv"
    table.write_bytes("\ufeffpath,label\r\na.wav, x \r\n\r\nb.wav,y\r\n".encode())
    assert [one.labels for one in read_manifest(table).recordings] == [("x",), ("y",)]


def test_json_lines_end_only_at_line_feeds(tmp_path):
    table = write_table(tmp_path / "table.jsonl", {"path": "a\u2028b\x85.wav", "label": "x"})
    assert read_manifest(table).recordings[0].name == "a\u2028b\x85.wav"


def test_the_table_as_csv_reads_as_it_was(tmp_path):
    manifest = read_manifest(write_table(tmp_path / "table.csv", *ROWS))
    lines = list(csv.DictReader(manifest.to_csv({"clips/b.wav [0.5-2.25 s]": "k"}).splitlines()))
    assert [line["name"] for line in lines] == [one.name for one in manifest.recordings]
    assert lines[1] == {
        "name": "clips/b.wav [0.5-2.25 s]",
        "label": "music;speech",
        "split": "train",
        "fold": "1",
        "group": "anna",
        "start": "0.5",
        "end": "2.25",
        "key": "k",
    }
    assert (lines[0]["start"], lines[0]["end"], lines[0]["key"]) == ("", "", "")


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "", "label": "x"}, "path missing"),
        ({"path": "b.wav", "label": ""}, "label missing"),
        ({"path": "b.wav", "label": " ; "}, "label missing"),
        ({"path": "", "label": ""}, "path and label missing"),
        ({"split": "holdout"}, "split 'holdout' is not training, validation or testing"),
        ({"start": "soon"}, "start 'soon' is not a number of seconds"),
        ({"end": "-1"}, "end '-1' is not a number of seconds"),
        ({"end": "inf"}, "end 'inf' is not a number of seconds"),
        ({"start": "5", "end": "2"}, "end 2 s is not after start 5 s"),
        ({"start": "5", "end": "5"}, "end 5 s is not after start 5 s"),
    ],
)
def test_a_wrong_row_is_named_by_its_number(tmp_path, kind, row, message):
    fine = dict.fromkeys(("split", "start", "end"), "") | {"path": "a.wav", "label": "x"}
    table = write_table(tmp_path / f"table.{kind}", fine, {**fine, "path": "b.wav", **row})
    number = 3 if kind == "csv" else 2
    with pytest.raises(DataError, match=rf"{table}, row {number}: {message}$"):
        read_manifest(table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"a.wav", "not a manifest; give a folder, or a .csv, .jsonl or .parquet file"),
        ("t.csv", b"path,label\n\xff,x\n", "cannot be read as UTF-8 text"),
        ("t.csv", b"path,label\n", "no sound files found"),
        ("t.csv", b"", "no sound files found"),
        ("t.csv", b"file,class\na.wav,x\n", "row 2: path and label missing"),
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


def test_a_file_listed_twice_is_named(tmp_path):
    rows = [{"path": "a.wav", "label": label, "start": "1"} for label in "xy"]
    table = write_table(tmp_path / "table.csv", *rows)
    with pytest.raises(DataError, match=r"a\.wav is listed twice; keep one row"):
        read_manifest(table)


def test_a_split_for_some_rows_only_is_refused(tmp_path):
    rows = [
        {"path": f"{split or 'none'}.wav", "label": "x", "split": split} for split in ("train", "")
    ]
    with pytest.raises(DataError, match=r"none\.wav has no split but others have"):
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
        r"ben \(test and train\), cleo \(test and train\); move each group into one split"
    )
    with pytest.raises(DataError, match=expected):
        read_manifest(write_table(tmp_path / "table.csv", *rows))


def test_stretches_of_one_file_may_not_be_in_two_splits(tmp_path):
    rows = [
        {"path": "a.wav", "label": "x", "split": split, "start": start}
        for start, split in enumerate(("train", "test"))
    ]
    with pytest.raises(DataError, match=r"1 groups .*: a\.wav \(test and train\)"):
        read_manifest(write_table(tmp_path / "table.csv", *rows))


def test_two_folders_for_one_split_are_refused(tmp_path):
    touch(tmp_path, "train/a/1.wav", "val/a/2.wav", "dev/a/3.wav")
    with pytest.raises(DataError, match="two folders both mean validation; join them"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("names", [(), ("a/readme.txt",), ("loose.wav",), (".hidden/1.wav",)])
def test_a_folder_without_labelled_sound_is_refused_with_what_is_expected(tmp_path, names):
    with pytest.raises(DataError, match=r"no sound files found; expected DATA/LABEL/\*\.wav"):
        read_manifest(touch(tmp_path / "data", "keep.txt", *names))


def test_data_that_are_not_there_are_named(tmp_path):
    with pytest.raises(DataError, match="missing: no such file or folder"):
        read_manifest(tmp_path / "missing")
