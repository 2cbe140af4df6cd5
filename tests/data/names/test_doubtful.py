"""Names that are probably mistakes are found, with the recordings to correct."""

from pathlib import Path

import pytest

from earmark.data.manifest import Manifest
from earmark.data.names.doubtful import doubtful_names
from earmark.data.recording import Recording


def find(*cells):
    """The doubts about recordings of (labels, group, fold)."""
    recordings = tuple(
        Recording(Path(f"{n}.wav"), f"{n}.wav", tuple(labels), group or f"{n}.wav", fold=fold)
        for n, (labels, group, fold) in enumerate(cells)
    )
    vocabulary = sorted({label for one in recordings for label in one.labels})
    return list(doubtful_names(Manifest(Path("data.csv"), recordings, tuple(vocabulary))))


def labels(*names):
    return [([name], None, None) for name in names]


def test_ordinary_names_raise_no_doubt():
    assert find(*labels("dog", "cat", "none", "1", "2", "Speech, human"), (["dog"], "a", "1")) == []


def test_similar_labels_are_found_with_the_recordings_of_the_rarer():
    (found,) = find(*labels("dog", "Dog", "dog", "cat"))
    assert (found.kind, found.recordings) == ("similar_names", ("1.wav",))
    assert "'Dog' (1 recording), 'dog' (2 recordings)" in found.message


@pytest.mark.parametrize("column", ["group", "fold"])
def test_similar_groups_and_folds_are_found(column):
    rows = [(["x"], name, "1") if column == "group" else (["x"], "g", name) for name in ("a", "A")]
    (found,) = find(*rows)
    assert found.kind == "similar_names"
    assert f"the {column}s 'A'" in found.message


@pytest.mark.parametrize("name", ["nan", "NA", "None", "null", "N/A"])
def test_a_missing_value_that_became_a_name_is_found(name):
    (found,) = find(*labels("dog", name))
    assert (found.kind, found.recordings) == ("missing_value", ("1.wav",))
    (found,) = find((["dog"], name, None))
    assert "group" in found.message


@pytest.mark.parametrize(
    "name",
    ["dog,cat", "cat, dog", "dog|cat", "dog/cat", "dog and cat", "['dog', 'cat']", "dog+cat"],
)
def test_labels_joined_in_one_are_found(name):
    (found,) = find(*labels("dog", "cat", name))
    assert (found.kind, found.recordings) == ("joined_labels", ("2.wav",))
    assert ";" in found.message
