"""Splits keep groups together, are stratified, and are the same for the same seed."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import TrainConfig
from earmark.data.manifest import Manifest
from earmark.data.recording import SPLITS, Recording
from earmark.data.splits import with_splits

LABELS = ("music", "noise", "speech")
GROUPED = st.lists(
    st.tuples(st.integers(0, 12), st.sets(st.sampled_from(LABELS), min_size=1)),
    min_size=1,
    max_size=60,
)
CONFIGS = st.builds(
    TrainConfig,
    split_seed=st.integers(0, 1000),
    validation_fraction=st.floats(0.05, 0.45),
    test_fraction=st.floats(0.05, 0.45),
)


def recording(index, labels=("music",), group=None, split=None):
    name = f"{index:03}.wav"
    return Recording(Path(name), name, tuple(sorted(labels)), group or name, split)


def manifest(recordings):
    return Manifest(Path("data"), tuple(recordings), LABELS, ("as read",))


def grouped(rows):
    return manifest(
        recording(index, labels, f"group {group}") for index, (group, labels) in enumerate(rows)
    )


@given(GROUPED, CONFIGS)
def test_every_recording_is_assigned_and_no_group_straddles(rows, config):
    data = grouped(rows)
    divided = with_splits(data, config)
    assert [replace(one, split=None) for one in divided.recordings] == list(data.recordings)
    assert {one.split for one in divided.recordings} <= set(SPLITS)
    splits = defaultdict(set)
    for one in divided.recordings:
        splits[one.group].add(one.split)
    assert all(len(found) == 1 for found in splits.values())


@given(GROUPED, CONFIGS)
def test_the_split_depends_on_the_seed_alone_and_not_on_the_order(rows, config):
    data = grouped(rows)
    turned = replace(data, recordings=data.recordings[::-1])
    assert with_splits(data, config) == with_splits(data, config)
    by_name = {one.name: one.split for one in with_splits(turned, config).recordings}
    assert by_name == {one.name: one.split for one in with_splits(data, config).recordings}


@given(st.lists(st.integers(1, 150), min_size=1, max_size=3), st.integers(0, 1000))
def test_each_label_is_within_one_recording_of_its_fractions(counts, seed):
    one_each = [label for label, count in zip(LABELS, counts, strict=False) for _ in range(count)]
    data = manifest(recording(index, (label,)) for index, label in enumerate(one_each))
    divided = with_splits(data, TrainConfig(split_seed=seed))
    fractions = {"train": 0.6, "validation": 0.2, "test": 0.2}
    found = Counter((one.labels[0], one.split) for one in divided.recordings)
    for label, count in zip(LABELS, counts, strict=False):
        for split, fraction in fractions.items():
            assert abs(found[label, split] - fraction * count) < 1


@given(st.integers(1, 300), CONFIGS)
def test_no_split_gets_a_whole_recording_more_than_its_fraction(count, config):
    divided = with_splits(manifest(recording(index) for index in range(count)), config)
    assert len(divided.split("validation")) < config.validation_fraction * count + 1
    assert len(divided.split("test")) < config.test_fraction * count + 1


def test_five_recordings_of_a_label_fill_every_split():
    divided = with_splits(manifest(recording(index) for index in range(5)), TrainConfig())
    assert [len(divided.split(split)) for split in SPLITS] == [3, 1, 1]


def test_another_seed_gives_another_split():
    data = manifest(recording(index) for index in range(40))
    splits = {
        tuple(one.split for one in with_splits(data, TrainConfig(split_seed=seed)).recordings)
        for seed in range(5)
    }
    assert len(splits) == 5


def test_the_training_seed_does_not_move_the_split():
    data = manifest(recording(index) for index in range(40))
    assert with_splits(data, TrainConfig(seed=1)) == with_splits(data, TrainConfig(seed=2))


def test_a_large_group_is_placed_first_where_there_is_room():
    rows = [("big", 12), *((f"small {index}", 1) for index in range(8))]
    one_each = [group for group, count in rows for _ in range(count)]
    data = manifest(recording(index, group=group) for index, group in enumerate(one_each))
    divided = with_splits(data, TrainConfig())
    assert {one.split for one in divided.recordings if one.group == "big"} == {"train"}
    assert [len(divided.split(split)) for split in SPLITS] == [12, 4, 4]


def test_splits_of_the_data_stay():
    data = manifest(recording(index, split=split) for index, split in enumerate(SPLITS))
    assert with_splits(data, TrainConfig()) is data


@pytest.mark.parametrize("seed", [0, 1])
def test_a_missing_validation_part_is_taken_from_training_alone(seed):
    parts = ["train"] * 20 + ["test"] * 7
    data = manifest(recording(index, split=split) for index, split in enumerate(parts))
    divided = with_splits(data, TrainConfig(split_seed=seed))
    assert [one.split for one in divided.recordings[20:]] == ["test"] * 7
    assert len(divided.split("validation")) == 4
    assert len(divided.split("train")) == 16
    assert divided.notes[0] == "as read"
    assert "20%" in divided.notes[1]


def test_the_seed_of_a_split_is_noted():
    divided = with_splits(manifest([recording(0)]), TrainConfig(split_seed=7))
    assert divided.notes[0] == "as read"
    assert "split_seed 7" in divided.notes[1]


@given(st.integers(0, 1000), st.integers(0, 12))
def test_placed_groups_stay_and_the_rest_fills_the_fractions(seed, number):
    data = manifest(recording(index) for index in range(30))
    placed = {one.group: "train" for one in data.recordings[:number]} | {"unknown": "test"}
    divided = with_splits(data, TrainConfig(split_seed=seed), placed)
    splits = {one.group: one.split for one in divided.recordings}
    assert all(splits[group] == "train" for group in placed if group in splits)
    assert Counter(splits.values())["test"] >= 5
