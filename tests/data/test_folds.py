"""Folds keep groups together, are stratified, and each of them tests once."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from earmark.audio.reading import Excerpt
from earmark.data.folds import check_folds, fold_names, hold_out, with_folds
from earmark.data.manifest import Manifest
from earmark.data.recording import SPLITS, Recording
from earmark.errors import ConfigError, DataError
from earmark.tasks.task import MULTI_CLASS, MULTI_LABEL

LABELS = ("music", "noise", "speech")
few = settings(max_examples=25)
GROUPED = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(LABELS)), min_size=8, max_size=30)


def recording(index, labels=("music",), group=None, fold=None, split=None):
    name = f"{index:03}.wav"
    return Recording(Path(name), name, tuple(labels), group or name, split, fold)


def manifest(recordings):
    recordings = tuple(recordings)
    labels = tuple(sorted({label for one in recordings for label in one.labels}))
    return Manifest(Path("data"), recordings, labels, ("as read",))


def divide(data, num_folds, seed):
    """The folds of drawn data; other data are drawn where they cannot be filled."""
    try:
        return with_folds(data, num_folds, seed)
    except DataError as error:
        if "groups fill" not in str(error):
            raise
        reject()


def spread(labels_to_folds):
    """A recording, and so a group, for each label and each of the folds named after it."""
    return manifest(
        recording(f"{label}-{index}", (label,), fold=fold)
        for label, folds in labels_to_folds.items()
        for index, fold in enumerate(folds)
    )


@few
@given(GROUPED, st.integers(3, 8), st.integers(0, 1000))
def test_every_recording_is_in_one_fold_and_no_group_straddles(rows, num_folds, seed):
    data = manifest(
        recording(index, (label,), f"group {group}") for index, (group, label) in enumerate(rows)
    )
    if len({one.group for one in data.recordings}) < num_folds:
        return
    divided = divide(data, num_folds, seed)
    assert [replace(one, fold=None) for one in divided.recordings] == list(data.recordings)
    folds = defaultdict(set)
    for one in divided.recordings:
        folds[one.group].add(one.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert set(fold_names(divided)) == {str(number) for number in range(1, num_folds + 1)}


@pytest.mark.parametrize(
    ("groups", "num_folds", "message"),
    [
        (4, 8, "8 groups fill 4 of 8 folds .*at most 4 folds"),
        (4, None, "8 groups fill 4 of 5 folds .*at most 4 folds"),
        (2, 3, "4 groups fill 2 of 3 folds .*at least 3 groups"),
    ],
)
def test_no_fold_is_left_out_in_silence(groups, num_folds, message):
    data = manifest(
        recording(f"{label}-{index}", (label,), f"{label} {index // 3}")
        for label in LABELS[:2]
        for index in range(3 * groups)
    )
    with pytest.raises(DataError, match=message):
        with_folds(data, num_folds, 0)


@few
@given(st.lists(st.integers(8, 30), min_size=1, max_size=3), st.integers(3, 8), st.integers(0, 99))
def test_each_label_is_within_one_recording_of_its_share_in_every_fold(counts, num_folds, seed):
    one_each = [label for label, count in zip(LABELS, counts, strict=False) for _ in range(count)]
    data = manifest(recording(index, (label,)) for index, label in enumerate(one_each))
    divided = with_folds(data, num_folds, seed)
    found = Counter((one.labels[0], one.fold) for one in divided.recordings)
    for label, count in zip(LABELS, counts, strict=False):
        for fold in range(1, num_folds + 1):
            assert abs(found[label, str(fold)] - count / num_folds) < 1


@few
@given(GROUPED, st.integers(0, 1000))
def test_the_folds_depend_on_the_seed_alone_and_not_on_the_order(rows, seed):
    data = manifest(recording(index, (label,)) for index, (_, label) in enumerate(rows))
    turned = replace(data, recordings=data.recordings[::-1])
    by_name = {one.name: one.fold for one in divide(turned, 5, seed).recordings}
    assert by_name == {one.name: one.fold for one in divide(data, 5, seed).recordings}


def test_another_seed_draws_other_folds():
    data = manifest(recording(index) for index in range(40))
    drawn = {
        tuple(one.fold for one in with_folds(data, None, seed).recordings) for seed in range(5)
    }
    assert len(drawn) == 5


def test_five_folds_are_drawn_by_default():
    divided = with_folds(manifest(recording(index) for index in range(10)), None, 0)
    assert fold_names(divided) == ("1", "2", "3", "4", "5")
    assert "5 folds" in divided.notes[-1]


def test_the_splits_of_the_data_are_taken_away_and_a_note_says_so():
    data = manifest(recording(index, split=SPLITS[index % 3]) for index in range(10))
    divided = with_folds(data, None, 0)
    assert {one.split for one in divided.recordings} == {None}
    assert any("splits" in note for note in divided.notes)


def test_folds_of_the_data_stay_and_are_in_natural_order():
    names = ["10", "2", "1", "b10", "b9", "a"]
    data = manifest(recording(index, fold=name) for index, name in enumerate(names))
    divided = with_folds(data, None, 0)
    assert divided.recordings == data.recordings
    assert fold_names(divided) == ("1", "2", "10", "a", "b9", "b10")


def test_each_fold_tests_once_validates_once_and_trains_otherwise():
    data = manifest(recording(index, fold=str(index % 4 + 1)) for index in range(12))
    splits = defaultdict(list)
    for fold in fold_names(data):
        for one in hold_out(data, fold).recordings:
            splits[one.name].append(one.split)
    for one in data.recordings:
        assert Counter(splits[one.name]) == {"test": 1, "validation": 1, "train": 2}
    assert {one.split for one in hold_out(data, "4").recordings if one.fold == "1"} == {
        "validation"
    }


@pytest.mark.parametrize(
    ("folds", "num_folds", "message"),
    [
        (["1", None, "3"], None, r"001\.wav has no fold"),
        (["1", "2", "3"], 5, "--folds 5: data .*3 folds"),
        (["1", "2", "1"], None, "2 folds; at least 3"),
        ([None] * 9, 2, "--folds 2: at least 3"),
        ([None] * 4, None, "4 groups cannot fill 5 folds"),
    ],
)
def test_folds_that_cannot_serve_are_refused(folds, num_folds, message):
    data = manifest(recording(index, fold=fold) for index, fold in enumerate(folds))
    with pytest.raises((ConfigError, DataError), match=message):
        with_folds(data, num_folds, 0)


def test_a_group_in_two_folds_is_refused():
    folds = ["1", "2", "3", "1"]
    data = manifest(
        recording(index, group=f"g{index % 3}", fold=fold) for index, fold in enumerate(folds)
    )
    assert with_folds(data, None, 0).recordings == data.recordings
    straddling = replace(data, recordings=(*data.recordings, recording(9, group="g0", fold="3")))
    with pytest.raises(DataError, match=r"1 groups are in more than one fold: g0 \(1 and 3\)"):
        with_folds(straddling, None, 0)


@pytest.mark.parametrize(("fold", "apart"), [("2", "folds"), (None, "groups")])
def test_sound_that_would_be_in_two_folds_is_refused(fold, apart):
    data = manifest(recording(index, fold=str(index + 1) if fold else None) for index in range(6))
    first = data.recordings[0]
    overlapping = replace(first, name="again", group="other", fold=fold, excerpt=Excerpt(1.0, 2.0))
    data = replace(data, recordings=(*data.recordings, overlapping))
    with pytest.raises(DataError, match=rf"again .*{apart}"):
        with_folds(data, None, 0)


def test_a_label_with_fewer_groups_than_folds_is_refused_with_the_most_folds_that_work():
    data = spread({"music": "12345", "noise": "1234", "speech": "12345"})
    message = r"'noise' .*fold 5: .*at most 4 folds"
    with pytest.raises(DataError, match=message):
        check_folds(data, MULTI_CLASS)


def test_a_label_with_two_groups_needs_more():
    with pytest.raises(DataError, match=r"'noise' .*folds 3, 4: .*at least 3 groups"):
        check_folds(spread({"music": "1234", "noise": "12"}), MULTI_CLASS)


def test_a_label_whose_groups_lie_badly_is_named():
    with pytest.raises(DataError, match=r"'noise' .*fold 3: .*fewer folds"):
        check_folds(spread({"music": "123", "noise": "1122"}), MULTI_CLASS)


def test_a_rare_label_of_a_multi_label_task_is_a_warning_while_it_can_be_trained(caplog):
    check_folds(spread({"music": "12345", "noise": "134"}), MULTI_LABEL)
    (warning,) = caplog.records
    assert "folds 2, 5" in warning.getMessage()
    with pytest.raises(DataError, match=r"'noise' .*fold 5"):
        check_folds(spread({"music": "12345", "noise": "15"}), MULTI_LABEL)
