"""The task follows from the labels; a label that is missing where it is needed is an error."""

from pathlib import Path

import pytest

from earmark.config import TrainConfig
from earmark.data.content import Clip
from earmark.data.labels import (
    choose_task,
    labels_short_of_groups,
    log_data,
    name_task,
    require_clips,
    require_labels,
)
from earmark.data.manifest import Manifest
from earmark.data.recording import SPLITS, Recording
from earmark.errors import DataError
from earmark.features.store import ClipKey
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


def manifest(*rows):
    """A manifest of (labels, split) rows; each recording is its own group."""
    recordings = tuple(
        Recording(Path(f"{n}.wav"), f"{n}.wav", tuple(labels), f"g{n}", split)
        for n, (labels, split) in enumerate(rows)
    )
    vocabulary = sorted({label for one in recordings for label in one.labels})
    return Manifest(Path("data"), recordings, tuple(vocabulary), ("as read",))


def complete(labels):
    return manifest(*((label, split) for label in labels for split in SPLITS))


@pytest.mark.parametrize(
    ("data", "setting", "task"),
    [
        (complete("ab"), "auto", BINARY),
        (complete("abc"), "auto", MULTI_CLASS),
        (manifest(("a", "train"), ("ab", "train")), "auto", MULTI_LABEL),
        (complete("ab"), "multi_class", MULTI_CLASS),
        (complete("ab"), "multi_label", MULTI_LABEL),
    ],
)
def test_the_task_follows_from_the_settings_or_the_labels(data, setting, task):
    assert name_task(data, TrainConfig(task=setting)) is task


@pytest.mark.parametrize(
    ("data", "setting", "key"),
    [
        (manifest(), "auto", "no label"),
        (complete("a"), "auto", "the label 'a'"),
        (complete("abc"), "binary", r"train\.task=multi_class"),
        (manifest(("a", "train"), ("ab", "train")), "binary", r"1\.wav .* a and b"),
        (manifest(("a", None), ("b", None), ("", None)), "multi_class", r"2\.wav has no label"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(data, setting, key):
    with pytest.raises(DataError, match=key):
        name_task(data, TrainConfig(task=setting))


def test_a_multi_label_task_takes_any_number_of_labels():
    require_labels(manifest(("", "train"), ("ab", "train")), MULTI_LABEL)


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ([*"ab", ("b", "test")], "'b'.* in the test split only"),
        ([("a", "train"), ("a", "validation"), ("b", "validation")], "'b' in the training split"),
        ([("a", "train"), ("b", "train"), ("a", "validation")], "'b' in the validation split"),
    ],
)
def test_a_label_that_a_split_lacks_is_named(rows, key):
    rows = [row if isinstance(row, tuple) else (row, "train") for row in rows]
    if "only" in key:
        rows = [row for row in rows if row != ("b", "train")]
    with pytest.raises(DataError, match=key):
        choose_task(manifest(*rows), TrainConfig())


def test_a_label_of_few_groups_is_refused_with_their_number():
    data = manifest(*(("a", split) for split in SPLITS), ("b", "train"), ("b", "test"))
    assert labels_short_of_groups(data) == {"b": 2}
    with pytest.raises(DataError, match="'b' in the validation split; it has 2 of the 3 groups"):
        choose_task(data, TrainConfig())


def test_a_multi_label_task_only_warns_of_a_label_that_validation_lacks(caplog):
    data = manifest(("ab", "train"), ("a", "validation"), ("b", "test"))
    assert choose_task(data, TrainConfig()) is MULTI_LABEL
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "'b'" in record.getMessage()


def test_without_held_out_validation_no_label_has_to_be_in_it():
    data = manifest(("a", "train"), ("b", "train"))
    assert choose_task(data, TrainConfig(hold_out_validation=False)) is BINARY


def clips(*targets):
    return [Clip(f"{n}.wav", ClipKey(f"{n}"), one) for n, one in enumerate(targets)]


@pytest.mark.parametrize(
    ("task", "train", "validation", "key"),
    [
        (BINARY, [(0,), (1,)], [(0,), (1,)], None),
        (BINARY, [(0,)], [(0,), (1,)], "'b' .* training split"),
        (BINARY, [(0,), (1,)], [(1,)], "'a' .* validation split"),
        (MULTI_LABEL, [(0, 1)], [()], None),
        (MULTI_LABEL, [(0, 1)], [], "validation split"),
        (MULTI_LABEL, [(0,)], [(0, 1)], "'b' .* training split"),
    ],
)
def test_every_label_needs_a_usable_clip(task, train, validation, key):
    usable = {"train": clips(*train), "validation": clips(*validation)}
    if key is None:
        require_clips(complete("ab"), task, usable)
    else:
        with pytest.raises(DataError, match=key):
            require_clips(complete("ab"), task, usable)


def test_the_data_the_task_and_the_notes_are_logged(caplog):
    caplog.set_level("INFO", "earmark")
    log_data(complete("ab"), BINARY)
    text = caplog.text
    assert "task: binary" in text
    assert "train 1 a + 1 b" in text
    assert "note: as read" in text


def test_doubtful_names_are_warnings(caplog):
    log_data(complete("dD"), BINARY)
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "'D'" in warning.getMessage()
