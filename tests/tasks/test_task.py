"""Each task's probabilities, choices and losses agree with PyTorch, SciPy and each other."""

import copy
import pickle

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from earmark.tasks.task import (
    BINARY,
    MULTI_CLASS,
    MULTI_LABEL,
    TASKS,
    class_weights,
    find_task,
    multi_hot,
    sampling_weights,
)
from earmark.training.losses import make_loss

LABELS = {"binary": 2, "multi_class": 5, "multi_label": 4}


def case(task, seed, num_rows=6):
    rng = np.random.default_rng(seed)
    num_labels = LABELS[task.name]
    logits = rng.normal(0, 4, (num_rows, task.num_outputs(num_labels)))
    if task is MULTI_LABEL:
        targets = rng.integers(0, 2, (num_rows, num_labels)).astype(float)
    else:
        targets = np.eye(num_labels)[rng.integers(0, num_labels, num_rows)]
    return logits, targets


@pytest.fixture(params=TASKS.values(), ids=TASKS)
def task(request):
    return request.param


@pytest.mark.parametrize(
    ("label_sets", "expected"),
    [
        ([("a",), ("b",)], BINARY),
        ([("a",), ("b",), ("c",)], MULTI_CLASS),
        ([("a",), ("a", "b")], MULTI_LABEL),
        ([(), ("a", "b")], MULTI_LABEL),
    ],
)
def test_the_data_determine_the_task(label_sets, expected):
    labels = {label for one in label_sets for label in one}
    assert find_task(label_sets, len(labels)) is expected


def test_a_copied_task_is_the_same_object(task):
    assert pickle.loads(pickle.dumps(task)) is task
    assert copy.deepcopy(task) is task


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_training_is_the_loss_of_the_metrics(task, seed):
    logits, targets = case(task, seed)
    trained = make_loss(task)(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(trained) == pytest.approx(task.losses(logits, targets).mean(), rel=1e-9)


def test_losses_are_those_of_pytorch():
    logits, targets = case(MULTI_CLASS, 0)
    classes = torch.from_numpy(targets.argmax(axis=1))
    expected = nn.CrossEntropyLoss(label_smoothing=0.1)(torch.from_numpy(logits), classes)
    smoothed = make_loss(MULTI_CLASS, label_smoothing=0.1)
    given_ = smoothed(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(given_) == pytest.approx(float(expected))
    logits, targets = case(MULTI_LABEL, 0)
    expected = nn.BCEWithLogitsLoss()(torch.from_numpy(logits), torch.from_numpy(targets))
    assert MULTI_LABEL.losses(logits, targets).mean() == pytest.approx(float(expected))


def test_a_mixed_target_costs_the_mix_of_the_costs(task):
    logits, targets = case(task, 1)
    one, other = (torch.from_numpy(part) for part in (targets, np.roll(targets, 1, axis=0)))
    loss, scores = make_loss(task), torch.from_numpy(logits)
    mixed = loss(scores, 0.3 * one + 0.7 * other)
    assert float(mixed) == pytest.approx(float(0.3 * loss(scores, one) + 0.7 * loss(scores, other)))


@given(arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3)))
def test_probabilities_are_probabilities(logits):
    for one in TASKS.values():
        rows = one.probabilities(logits)
        assert ((rows >= 0) & (rows <= 1)).all()
        if one is not MULTI_LABEL:
            np.testing.assert_allclose(rows.sum(axis=1), 1.0)
            assert (one.choose(rows, one.default_thresholds(3)).sum(axis=1) == 1).all()


def test_probabilities_have_the_bits_of_scipy(rng):
    logits = np.concatenate([rng.normal(0, 9, (500, 3)), np.full((1, 3), 700.0)])
    np.testing.assert_array_equal(MULTI_LABEL.probabilities(logits), scipy.special.expit(logits))
    softmax = scipy.special.softmax(logits, axis=1)
    np.testing.assert_array_equal(MULTI_CLASS.probabilities(logits), softmax)


def test_thresholds_decide_where_there_are_any():
    rows = np.array([[0.4, 0.6], [0.7, 0.3]])
    assert BINARY.choose(rows, (0.65,)).tolist() == [[True, False], [True, False]]
    assert MULTI_LABEL.choose(rows, (0.5, 0.6)).tolist() == [[False, True], [True, False]]


def test_class_weights_give_every_label_the_same_weight():
    targets = multi_hot([(0,)] * 6 + [(1,)] * 3 + [(2,)], 3)
    weights = class_weights(MULTI_CLASS, targets)
    per_example = targets @ weights
    assert per_example.mean() == pytest.approx(1)
    np.testing.assert_allclose(targets.sum(axis=0) * weights, 10 / 3)
    logits = torch.zeros(10, 3, dtype=torch.float64)
    weighted = make_loss(MULTI_CLASS, label_weights=weights)(logits, torch.from_numpy(targets))
    assert float(weighted) == pytest.approx(np.log(3))


def test_in_a_multi_label_task_presence_weighs_as_much_as_absence():
    targets = multi_hot([(0,), (), (), (0, 1)], 2)
    np.testing.assert_allclose(class_weights(MULTI_LABEL, targets), [1.0, 3.0])


def test_rare_labels_are_drawn_as_often_as_common_ones():
    targets = multi_hot([(0,)] * 8 + [(1,)] * 2, 2)
    weights = sampling_weights(targets)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ targets, [0.5, 0.5])
    several = sampling_weights(multi_hot([(), (0,), (0,), (0, 1)], 2))
    assert several[3] == several[0] > several[1]
