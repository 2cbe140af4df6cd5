"""The background is the first class, or no label at all."""

from pathlib import Path

import pytest

from earmark.config import TrainConfig
from earmark.data.background import with_background
from earmark.data.folds import with_folds
from earmark.data.labels import choose_task, name_task
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.data.splits import with_splits
from earmark.errors import DataError
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

BACKGROUND = "_background_"


def manifest(*label_sets, times=1):
    recordings = tuple(
        Recording(Path(f"{n}.wav"), f"{n}.wav", tuple(labels), f"g{n}")
        for n, labels in enumerate(label_sets * times)
    )
    vocabulary = sorted({label for one in recordings for label in one.labels})
    return Manifest(Path("data"), recordings, tuple(vocabulary))


@pytest.mark.parametrize(
    ("label_sets", "setting", "labels", "task"),
    [
        ([("Dog",), (BACKGROUND,)], "auto", (BACKGROUND, "Dog"), BINARY),
        ([("dog",), (BACKGROUND,)], "auto", (BACKGROUND, "dog"), BINARY),
        ([("Dog",), ("cat",), (BACKGROUND,)], "auto", (BACKGROUND, "Dog", "cat"), MULTI_CLASS),
        ([("Dog",), (BACKGROUND,)], "multi_class", (BACKGROUND, "Dog"), MULTI_CLASS),
        ([("Dog",), ("Dog", "cat"), (BACKGROUND,)], "auto", ("Dog", "cat"), MULTI_LABEL),
        ([("Dog",), ("cat",), (BACKGROUND,)], "multi_label", ("Dog", "cat"), MULTI_LABEL),
    ],
)
def test_the_background_is_the_first_class_or_no_label(label_sets, setting, labels, task):
    config = TrainConfig(task=setting)
    found = with_background(manifest(*label_sets), config)
    assert found.labels == labels
    assert name_task(found, config) is task
    assert with_background(found, config) == found
    last = found.recordings[-1]
    assert last.labels == (() if task is MULTI_LABEL else (BACKGROUND,))


@pytest.mark.parametrize("setting", ["", "_background_noise_"])
def test_another_name_leaves_it_a_label(setting):
    data = manifest(("Dog",), (BACKGROUND,))
    assert with_background(data, TrainConfig(background_label=setting)) is data


def test_a_recording_is_background_or_has_labels():
    data = manifest(("dog",), ("dog", BACKGROUND))
    with pytest.raises(DataError, match=r"1\.wav .*dog"):
        with_background(data, TrainConfig())


def test_the_background_alone_is_nothing_to_learn():
    config = TrainConfig()
    with pytest.raises(DataError, match="two"):
        name_task(with_background(manifest((BACKGROUND,)), config), config)


def test_a_folder_of_this_name_is_read(tmp_path, write_clip):
    for label in ("dog", BACKGROUND):
        write_clip(tmp_path / label / "a.wav", kind="noise", seed=len(label))
    assert read_manifest(tmp_path).labels == (BACKGROUND, "dog")


@pytest.mark.parametrize("several", [False, True])
def test_every_split_and_fold_has_its_part_of_the_background(several):
    sets = [("dog",), ("cat", "dog") if several else ("cat",), (BACKGROUND,)]
    data = with_background(manifest(*sets, times=20), TrainConfig())
    background = () if several else (BACKGROUND,)
    split = with_splits(data, TrainConfig())
    choose_task(split, TrainConfig())
    counts = {
        name: sum(one.labels == background for one in split.split(name))
        for name in ("train", "validation", "test")
    }
    assert counts == {"train": 12, "validation": 4, "test": 4}
    folds = with_folds(data, 5, 0)
    for fold in {one.fold for one in folds.recordings}:
        own = [one for one in folds.recordings if one.fold == fold]
        assert sum(one.labels == background for one in own) == 4
