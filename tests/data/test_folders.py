"""Data folders are read as people lay them out, and notes name what is left out."""

import re
from pathlib import Path

import pytest

from earmark.data.manifest import read_manifest
from earmark.errors import DataError

ALIASES = {
    "train": ("training", "train", "Training", "TRAIN"),
    "validation": ("validation", "valid", "val", "dev", "Val", "DEV"),
    "test": ("testing", "test", "Test"),
}


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


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


def test_the_folder_below_a_label_is_the_group_for_all_labels_alike(tmp_path):
    touch(tmp_path, "a/anna/1.wav", "a/anna/deep/2.wav", "b/anna/3.wav", "b/ben/4.wav", "b/5.wav")
    manifest = read_manifest(tmp_path)
    groups = [one.group for one in manifest.recordings]
    assert groups == ["anna", "anna", "b/5.wav", "anna", "ben"]
    (note,) = manifest.notes
    assert "2 groups" in note


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


def test_what_is_left_out_is_noted(tmp_path):
    touch(tmp_path, "train/a/1.wav", "test/a/2.wav", "train/loose.wav", "docs/3.wav", ".x/4.wav")
    touch(tmp_path, "z.wav", "train/a/b.AMR", "test/a/c.amr", "test/a/d.txt", "README", "docs/e.md")
    (tmp_path / "train" / "a" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    manifest = read_manifest(tmp_path)
    assert len(manifest) == 2
    keys = (
        "docs",
        "2 sound files .*train/loose.wav",
        r"4 files .*\.amr, \.txt, none",
        "a/gone.wav",
    )
    for note, key in zip(manifest.notes, keys, strict=True):
        assert re.search(key, note)


def test_sound_loose_beside_label_folders_is_left_out_with_a_note(tmp_path):
    manifest = read_manifest(touch(tmp_path, "a/1.wav", "b/2.wav", "3.wav"))
    assert [one.name for one in manifest.recordings] == ["a/1.wav", "b/2.wav"]
    (note,) = manifest.notes
    assert "3.wav" in note


def test_a_folder_that_cannot_be_opened_is_noted(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.wav", "closed/2.wav")
    listing = Path.iterdir

    def refuse(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    (note,) = read_manifest(tmp_path).notes
    assert "closed" in note
    with pytest.raises(DataError, match="closed"):
        read_manifest(tmp_path / "closed")


def test_links_to_folders_are_followed_but_never_back_up(tmp_path):
    elsewhere = touch(tmp_path / "disk", "deep/1.wav", "2.wav")
    other = touch(tmp_path / "other", "4.wav")
    data = touch(tmp_path / "data", "b/3.wav")
    links = {"a": elsewhere, "b/anna": other, "b/up": data, "b/out": tmp_path, "b/self": data / "b"}
    for link, target in links.items():
        (data / link).symlink_to(target)
    (elsewhere / "deep" / "again").symlink_to(elsewhere)
    names = [one.name for one in read_manifest(data).recordings]
    assert names == ["a/2.wav", "a/deep/1.wav", "b/3.wav", "b/anna/4.wav"]


@pytest.mark.parametrize("folder", ["train", "Test", "val"])
def test_a_label_may_be_called_like_a_split(tmp_path, folder):
    manifest = read_manifest(touch(tmp_path, "bus/1.wav", "car/2.wav", f"{folder}/3.wav"))
    assert manifest.labels == tuple(sorted(("bus", "car", folder)))
    assert not manifest.has_splits


def test_a_split_that_is_taken_for_a_label_is_noted(tmp_path):
    manifest = read_manifest(touch(tmp_path, "testing/music/a.wav", "notes/b.wav"))
    assert manifest.labels == ("notes", "testing")
    assert any("testing" in note for note in manifest.notes)


def test_split_folders_without_label_folders_are_refused(tmp_path):
    touch(tmp_path, "train/1.wav", "test/2.wav")
    with pytest.raises(DataError, match="2 sound files"):
        read_manifest(tmp_path)


def test_the_folder_below_a_label_is_the_group_in_split_folders_too(tmp_path):
    touch(
        tmp_path, "train/x/anna/1.wav", "train/y/anna/b/2.wav", "test/x/ben/3.wav", "test/y/4.wav"
    )
    manifest = read_manifest(tmp_path)
    assert [one.group for one in manifest.recordings] == ["ben", "test/y/4.wav", "anna", "anna"]
    (note,) = manifest.notes
    assert "2 groups" in note


def test_a_group_folder_in_two_splits_is_refused_with_advice(tmp_path):
    touch(tmp_path, "train/x/part1/1.wav", "test/y/part1/2.wav")
    with pytest.raises(DataError, match=r"part1 \(test and train\)") as it:
        read_manifest(tmp_path)
    assert "group column" in str(it.value)


def test_a_file_linked_into_two_splits_is_refused(tmp_path):
    touch(tmp_path, "train/x/1.wav", "test/x/2.wav")
    (tmp_path / "test/x/3.wav").symlink_to(tmp_path / "train/x/1.wav")
    with pytest.raises(DataError, match=r"x/(1|3)\.wav and .*x/(1|3)\.wav"):
        read_manifest(tmp_path)


def test_two_folders_for_one_split_are_refused(tmp_path):
    touch(tmp_path, "train/a/1.wav", "val/a/2.wav", "dev/a/3.wav")
    with pytest.raises(DataError, match="validation"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("names", [(), ("a/readme.txt",), ("loose.wav",), (".hidden/1.wav",)])
def test_a_folder_without_labelled_sound_is_refused_with_what_is_expected(tmp_path, names):
    with pytest.raises(DataError, match=r"DATA/LABEL/\*\.wav|label folders"):
        read_manifest(touch(tmp_path / "data", "keep.txt", *names))


def test_a_label_has_one_spelling_in_folders_as_in_tables(tmp_path):
    touch(tmp_path, "dog/1.wav", "dog\u200b/2.wav", "dog\xa0/3.wav", "cat/4.wav")
    touch(tmp_path, "caf\u00e9/5.wav", "cafe\u0301/6.wav", "a  b/7.wav")
    manifest = read_manifest(tmp_path)
    assert manifest.labels == ("a b", "café", "cat", "dog")
    assert sum("'dog'" in note or "caf" in note for note in manifest.notes) == 2


def test_groups_have_one_spelling_in_folders_too(tmp_path):
    touch(tmp_path, "x/anna/1.wav", "y/anna\u200b/2.wav")
    assert {one.group for one in read_manifest(tmp_path).recordings} == {"anna"}


@pytest.mark.parametrize("label", ["a;b", "a\u037eb", "a\x1b[31m", "\u200b"])
def test_a_folder_whose_name_cannot_be_a_label_is_refused(tmp_path, label):
    with pytest.raises(DataError, match=str(tmp_path)) as caught:
        read_manifest(touch(tmp_path, f"{label}/1.wav", "b/2.wav"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("folders", [("a", "b"), ("train/a", "train/b", "test/a", "test/b")])
def test_folders_of_labels_without_sound_are_named(tmp_path, folders):
    touch(tmp_path, *(f"{folder}/1.wav" for folder in folders))
    parents = sorted({Path(folder).parent for folder in folders})
    for parent in parents:
        (tmp_path / parent / "empty" / "deep").mkdir(parents=True)
        (tmp_path / parent / ".hidden").mkdir()
    (note,) = read_manifest(tmp_path).notes
    assert all((parent / "empty").as_posix() in note for parent in parents)
    assert "hidden" not in note


def test_an_empty_split_is_named(tmp_path):
    touch(tmp_path, "train/a/1.wav", "test/a/2.wav")
    (tmp_path / "validation").mkdir()
    (note,) = read_manifest(tmp_path).notes
    assert "validation" in note


def test_many_links_to_each_folder_are_read_once(tmp_path):
    """Two links in each of 40 folders make 2 ** 40 paths."""
    for depth in range(40):
        (tmp_path / f"{depth}").mkdir()
        if depth:
            for link in "xy":
                (tmp_path / f"{depth - 1}" / link).symlink_to(tmp_path / f"{depth}")
    touch(tmp_path, "39/1.wav")
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").symlink_to(tmp_path / "0")
    manifest = read_manifest(data)
    assert [one.labels for one in manifest.recordings] == [("a",)]
    assert any("39 links" in note for note in manifest.notes)


@pytest.mark.parametrize("links", [("a", "b"), ("train/a", "test/a"), ("train/a", "train/b")])
def test_one_folder_under_two_labels_or_splits_is_refused(tmp_path, links):
    pool = touch(tmp_path / "pool", "1.wav")
    data = touch(tmp_path / "data", *(f"{Path(link).parent}/other/2.wav" for link in links))
    for link in links:
        (data / link).symlink_to(pool)
    with pytest.raises(DataError, match=f"{links[0]}.* {links[1]}|{links[1]}.* {links[0]}"):
        read_manifest(data)
