"""Labels, groups, splits and folds come from names as the patterns say, and no file gets lost."""

import logging

import pytest

from earmark.data.manifest import read_manifest
from earmark.data.names.naming import Naming, describe_naming
from earmark.errors import ConfigError, DataError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def facts(manifest):
    return {one.name: (";".join(one.labels), one.group) for one in manifest.recordings}


def test_a_flat_folder_is_read_with_a_pattern(tmp_path):
    touch(tmp_path, "dog_1.wav", "cat_1.wav", "more/cat_2.wav")
    assert facts(read_manifest(tmp_path, label_from="{label}_*")) == {
        "dog_1.wav": ("dog", "dog_1.wav"),
        "cat_1.wav": ("cat", "cat_1.wav"),
        "more/cat_2.wav": ("cat", "more/cat_2.wav"),
    }


def test_other_fields_of_the_label_pattern_are_the_group(tmp_path):
    touch(tmp_path, "3_anna_1_0.wav", "3_ben_1_0.wav")
    manifest = read_manifest(tmp_path, label_from="{label}_{speaker}_{session}_*")
    assert facts(manifest) == {
        "3_anna_1_0.wav": ("3", "anna/1"),
        "3_ben_1_0.wav": ("3", "ben/1"),
    }
    assert manifest.naming == Naming("{label}_{speaker}_{session}_*")


def test_a_group_has_several_label_folders(tmp_path):
    touch(tmp_path, "bed/9a_nohash_0.wav", "cat/9a_nohash_0.wav", "cat/below/5c_nohash_1.wav")
    manifest = read_manifest(tmp_path, group_from="{speaker}_nohash_*")
    assert facts(manifest) == {
        "bed/9a_nohash_0.wav": ("bed", "9a"),
        "cat/9a_nohash_0.wav": ("cat", "9a"),
        "cat/below/5c_nohash_1.wav": ("cat", "5c"),
    }


def test_both_patterns_together(tmp_path):
    touch(tmp_path, "anna/dog_1.wav", "anna/cat_1.wav")
    manifest = read_manifest(tmp_path, label_from="{label}_*", group_from="{speaker}/*")
    assert {one.group for one in manifest.recordings} == {"anna"}
    assert manifest.labels == ("cat", "dog")


def test_names_give_splits_and_folds(tmp_path):
    touch(tmp_path, "Train_a_1.wav", "val_a_2.wav", "test_b_1.wav")
    manifest = read_manifest(tmp_path, label_from="{split}_{label}_{fold}")
    assert [(one.split, one.labels, one.fold) for one in manifest.recordings] == [
        ("train", ("a",), "1"),
        ("test", ("b",), "1"),
        ("validation", ("a",), "2"),
    ]
    with pytest.raises(DataError, match=r"Train_a_1.wav: split 'a'"):
        read_manifest(tmp_path, label_from="{label}_{split}_*")


def test_several_labels_in_a_name(tmp_path):
    touch(tmp_path, "dog;cat_1.wav", "dog_2.wav")
    manifest = read_manifest(tmp_path, label_from="{label}_*")
    assert [one.labels for one in manifest.recordings] == [("cat", "dog"), ("dog",)]


def test_split_folders_are_splits_only_if_all_folders_are(tmp_path):
    both = touch(tmp_path / "both", "train/dog_1.wav", "test/cat_1.wav")
    manifest = read_manifest(both, label_from="{label}_*")
    assert {one.name: one.split for one in manifest.recordings} == {
        "train/dog_1.wav": "train",
        "test/cat_1.wav": "test",
    }
    assert any("test" in note and "train" in note for note in manifest.notes)
    vehicles = touch(tmp_path / "vehicles", "train/train_1.wav", "bus/bus_1.wav")
    manifest = read_manifest(vehicles, label_from="{label}_*")
    assert (len(manifest), manifest.has_splits) == (2, False)
    named = touch(tmp_path / "named", "train/a_test.wav", "train/b_train.wav")
    manifest = read_manifest(named, label_from="{label}_{split}")
    assert [one.split for one in manifest.recordings] == ["test", "train"]


def test_groups_may_not_straddle_split_folders(tmp_path):
    touch(tmp_path, "train/dog/anna_1.wav", "test/dog/anna_2.wav")
    with pytest.raises(DataError, match="anna"):
        read_manifest(tmp_path, group_from="{speaker}_*")


def test_a_file_without_a_label_is_an_error_that_counts(tmp_path):
    touch(tmp_path, "dog_1.wav", *(f"x{index}.wav" for index in range(5)))
    with pytest.raises(DataError, match=r"5 of 6 .*x0.wav, x1.wav, x2.wav, \.\.\."):
        read_manifest(tmp_path, label_from="{label}_*")


def test_a_file_without_a_group_is_its_own_with_a_warning(tmp_path, caplog):
    touch(tmp_path, "a/anna_1.wav", "b/anna_2.wav", "b/hum.wav")
    manifest = read_manifest(tmp_path, group_from="{speaker}_*")
    assert facts(manifest)["b/hum.wav"] == ("b", "b/hum.wav")
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "1 of 3" in warning.message
    assert "b/hum.wav" in warning.message
    with pytest.raises(DataError, match="3 of 3"):
        read_manifest(tmp_path, group_from="{speaker}-*")


def test_tables_are_read_with_patterns_too(tmp_path):
    touch(tmp_path, "in/dog_anna_1.wav", "in/cat_ben_1.wav")
    table = tmp_path / "list.csv"
    table.write_text("path\nin/dog_anna_1.wav\nin/cat_ben_1.wav\n")
    manifest = read_manifest(table, label_from="{label}_{speaker}_*")
    assert facts(manifest) == {
        "in/dog_anna_1.wav": ("dog", "anna"),
        "in/cat_ben_1.wav": ("cat", "ben"),
    }
    table.write_text("path,label\nin/dog_anna_1.wav,Dog\nin/cat_ben_1.wav,Cat\n")
    assert read_manifest(table, group_from="*_{speaker}_*").recordings[0].group == "ben"
    with pytest.raises(DataError, match=r"row 2.*label"):
        read_manifest(table, label_from="{label}_*")
    table.write_text("path,label,group\nin/dog_anna_1.wav,Dog,\nin/cat_ben_1.wav,Cat,x\n")
    with pytest.raises(DataError, match=r"row 3.*group"):
        read_manifest(table, group_from="*_{speaker}_*")


@pytest.mark.parametrize(
    ("label_from", "group_from"),
    [
        ("{speaker}_*", None),
        ("", None),
        (None, "{label}_*"),
        (None, "{fold}-{source}"),
        ("{label}_{speaker}_*", "*_{speaker}_*"),
        (None, "no field"),
    ],
)
def test_patterns_that_do_not_go_together_are_refused(tmp_path, label_from, group_from):
    with pytest.raises(ConfigError):
        read_manifest(touch(tmp_path, "a_1.wav"), label_from=label_from, group_from=group_from)


def test_a_manifest_that_was_read_takes_no_pattern(tmp_path):
    manifest = read_manifest(touch(tmp_path, "a/1.wav", "b/1.wav"))
    assert read_manifest(manifest) is manifest
    with pytest.raises(ConfigError):
        read_manifest(manifest, group_from="{speaker}_*")


def test_what_was_understood_is_shown_on_files_from_all_over_the_data(tmp_path, caplog):
    names = [f"{label}_{who}_{n}.wav" for label in "abcde" for who in "xyz" for n in range(9)]
    with caplog.at_level(logging.INFO):
        manifest = read_manifest(touch(tmp_path, *names), label_from="{label}_{speaker}_*")
    lines = [one.message for one in caplog.records]
    assert lines == describe_naming(manifest.naming, manifest.recordings)
    assert len(lines) <= 6
    assert "5 labels" in lines[0]
    assert "3 groups" in lines[0]
    for label in "ace":
        assert any(f"label {label}, group" in line for line in lines[1:])


def test_the_options_read_as_they_are_typed():
    assert str(Naming("{label}_*", "*_{s}")) == '--label-from "{label}_*" --group-from "*_{s}"'
    assert not Naming()
