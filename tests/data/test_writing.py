"""A manifest that was written reads as the data did, however those were given."""

import csv
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from earmark.config import TrainConfig
from earmark.data.manifest import read_manifest
from earmark.data.splits import with_splits
from earmark.data.tables.table import STORED_COLUMNS
from earmark.data.writing import manifest_table
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.system.files import atomic_write

ODD = ("a,b.wav", 'a"b".wav', "a\nb.wav", "a\rb.wav", "a;b.wav", " a.wav", "é.wav", "'a' $x.wav")
if sys.platform == "win32":
    ODD = ("a,b.wav", "a;b.wav", " a.wav", "é.wav")
ROWS = [
    {"path": "a.wav", "label": "x", "split": "train", "group": "g", "room": "1, left"},
    {"path": "b.wav", "label": "x;y", "split": "test", "group": "h", "start": 0.5, "end": 2.25},
    {"path": "b.wav", "label": "", "split": "test", "group": "h", "start": 1e-05, "end": 0.25},
    {"path": "b.wav", "label": "y", "split": "test", "group": "", "start": 3},
]


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def table(path, rows):
    touch(path.parent, *(row["path"] for row in rows))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        arrow, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
        cells = {key: [str(row.get(key, "")) for row in rows] for key in columns}
        parquet.write_table(arrow.table(cells), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
    return path


def in_label_folders(folder):
    return read_manifest(touch(folder, "x/a.wav", "x/b.wav", "y/a.wav"))


def in_groups(folder):
    return read_manifest(touch(folder, "x/anna/a.wav", "x/ben/a.wav", "y/anna/a.wav", "y/b.wav"))


def in_split_folders(folder):
    return read_manifest(touch(folder, "train/x/a.wav", "val/x/b.wav", "test/y/a.wav"))


def with_odd_names(folder):
    return read_manifest(touch(folder, *(f"x/{name}" for name in ODD), "y y/a.wav", ODD[-1]))


def by_pattern(folder):
    touch(folder, "1_x_anna.wav", "2_y_anna.wav", "2_y_ben.wav")
    return read_manifest(folder, label_from="{fold}_{label}_{speaker}")


def as_rows(suffix):
    return lambda folder: read_manifest(table(folder / f"data{suffix}", ROWS))


def as_manifest_in_the_folder(folder):
    table(folder / "manifest.csv", [{"path": "in/a.wav", "label": "x", "fold": "1"}])
    return read_manifest(folder)


def as_absolute_paths(folder):
    path = touch(folder / "far", "a.wav") / "a.wav"
    return read_manifest(table(folder / "data.csv", [{"path": str(path), "label": "x"}]))


WAYS = {
    "label folders": in_label_folders,
    "groups": in_groups,
    "split folders": in_split_folders,
    "odd names": with_odd_names,
    "pattern": by_pattern,
    "csv": as_rows(".csv"),
    "jsonl": as_rows(".jsonl"),
    "parquet": as_rows(".parquet"),
    "manifest.csv": as_manifest_in_the_folder,
    "absolute": as_absolute_paths,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def facts(manifest):
    """What is known about each recording, by file and excerpt."""
    return {
        (one.path.resolve(), one.excerpt): (
            *(one.labels, one.split, one.fold),
            {column: cell for column, cell in one.extra.items() if cell},
        )
        for one in manifest.recordings
    }


def partition(manifest):
    groups = defaultdict(set)
    for one in manifest.recordings:
        groups[one.group].add((one.path.resolve(), one.excerpt))
    return {frozenset(members) for members in groups.values()}


@every_way
@pytest.mark.parametrize("place", ["all.csv", "far/below/all.csv", "data/all.csv"])
def test_a_manifest_reads_back_as_it_was(tmp_path, way, place):
    manifest = way(tmp_path / "data")
    manifest.write(tmp_path / place)
    again = read_manifest(tmp_path / place)
    assert again.labels == manifest.labels
    assert facts(again) == facts(manifest)
    assert partition(again) == partition(manifest)
    if not manifest.has_splits:
        drawn = [with_splits(one, TrainConfig()) for one in (manifest, again)]
        assert facts(drawn[0]) == facts(drawn[1])


@every_way
def test_the_recordings_of_a_run_are_a_manifest_with_the_same_names(tmp_path, way):
    manifest = with_splits(way(tmp_path / "data"), TrainConfig())
    keys = {manifest.recordings[0].name: ClipKey("k")}
    path = tmp_path / "run" / "recordings.csv"
    text = manifest.to_csv(keys, path.parent)
    atomic_write(path, text)
    again = read_manifest(path)
    for one, other in zip(manifest.recordings, again.recordings, strict=True):
        assert (one.name, one.labels, one.group) == (other.name, other.labels, other.group)
        assert (one.split, one.fold, one.excerpt) == (other.split, other.fold, other.excerpt)
        assert one.path.resolve() == other.path.resolve()
        assert not other.extra
    assert again.to_csv(keys, path.parent) == text


def test_only_columns_in_use_are_written(tmp_path):
    assert manifest_table(in_label_folders(tmp_path / "in").recordings, tmp_path).splitlines() == [
        "path,label",
        "in/x/a.wav,x",
        "in/x/b.wav,x",
        "in/y/a.wav,y",
    ]
    text = as_rows(".csv")(tmp_path / "rows")
    columns = manifest_table(text.recordings, tmp_path).partition("\n")[0]
    assert columns == "path,label,split,start,end,group,room"


def test_a_column_of_the_users_may_have_the_name_of_one_of_ours(tmp_path):
    rows = [{"path": "a.wav", "label": "x", "name": "Anna", "key": "C major"}]
    (one,) = read_manifest(table(tmp_path / "data.csv", rows)).recordings
    assert (one.name, one.extra) == ("a.wav", {"name": "Anna", "key": "C major"})
    assert {"name", "key"} <= set(STORED_COLUMNS)


def test_groups_that_were_given_are_written_though_each_has_one_file(tmp_path):
    rows = [{"path": f"{name}.wav", "label": "x", "group": f"z{name}"} for name in "ab"]
    manifest = read_manifest(table(tmp_path / "data.csv", rows))
    text = manifest_table(manifest.recordings, tmp_path)
    assert text.splitlines() == ["path,label,group", "a.wav,x,za", "b.wav,x,zb"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_paths_lead_from_the_real_folder_to_the_file(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    manifest = in_label_folders(tmp_path / "data")
    manifest.write(tmp_path / "link" / "all.csv")
    assert facts(read_manifest(tmp_path / "link" / "all.csv")) == facts(manifest)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_no_text_cannot_be_written(tmp_path):
    folder = tmp_path / "data" / "x"
    folder.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.wav")).touch()
    with pytest.raises(DataError, match="rename"):
        read_manifest(tmp_path / "data").write(tmp_path / "all.csv")


def test_a_manifest_is_written_as_csv_only(tmp_path):
    with pytest.raises(DataError, match=r"all\.json"):
        in_label_folders(tmp_path / "data").write(tmp_path / "all.json")
