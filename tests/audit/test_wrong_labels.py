import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from earmark.audit.wrong_labels import find_wrong_labels, label_scores
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


def draw(seed, num_labels=4, num_clips=120, sharpness=2.0):
    """Probabilities of a model that is often right, labels of which some are wrong, and which."""
    rng = np.random.default_rng(seed)
    true = rng.integers(num_labels, size=num_clips)
    logits = rng.standard_normal((num_clips, num_labels)) + sharpness * np.eye(num_labels)[true]
    probabilities = MULTI_CLASS.probabilities(logits)
    is_wrong = np.zeros(num_clips, bool)
    is_wrong[rng.permutation(num_clips)[: num_clips // 10]] = True
    labels = np.where(is_wrong, (true + rng.integers(1, num_labels, num_clips)) % num_labels, true)
    return probabilities, np.eye(num_labels)[labels], is_wrong


def precision(scores, is_wrong):
    return average_precision_score(is_wrong, -scores)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_clips_are_listed_as_by_cleanlab(seed):
    probabilities, targets, _ = draw(seed)
    labels = targets.argmax(axis=1)
    listed = find_label_issues(labels, probabilities, filter_by="predicted_neq_given", n_jobs=1)
    found = find_wrong_labels(probabilities, targets, MULTI_CLASS)
    assert sorted(one.clip for one in found) == list(np.flatnonzero(listed))


@pytest.mark.parametrize("num_labels", [2, 6])
def test_wrong_labels_are_ranked_no_worse_than_by_cleanlab(num_labels):
    ours, theirs = [], []
    for seed in range(10):
        probabilities, targets, is_wrong = draw(seed, num_labels)
        ours.append(precision(label_scores(probabilities, targets, MULTI_CLASS), is_wrong))
        scores = get_label_quality_scores(targets.argmax(axis=1), probabilities)
        theirs.append(precision(scores, is_wrong))
    assert np.mean(ours) >= np.mean(theirs)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_what_is_listed_is_the_begin_of_the_ranking(seed, num_labels):
    probabilities, targets, _ = draw(seed, num_labels, 30)
    scores = label_scores(probabilities, targets, MULTI_CLASS)
    found = find_wrong_labels(probabilities, targets, MULTI_CLASS)
    order = np.argsort(scores, kind="stable")
    assert [one.clip for one in found] == list(order[: len(found)])
    assert (scores[order[len(found) :]] >= 0).all()
    for one in found:
        (label,) = one.predicted
        assert targets[one.clip, label] == 0
        assert one.probability == probabilities[one.clip, label]


def test_the_order_of_clips_and_labels_does_not_matter(rng):
    probabilities, targets, _ = draw(3)
    scores = label_scores(probabilities, targets, MULTI_CLASS)
    rows, columns = rng.permutation(len(targets)), rng.permutation(targets.shape[1])
    turned = probabilities[rows][:, columns], targets[rows][:, columns]
    assert label_scores(*turned, MULTI_CLASS) == pytest.approx(scores[rows])


def test_each_label_of_a_set_may_be_missing_or_too_much():
    probabilities = np.array([[0.9, 0.9, 0.1], [0.05, 0.9, 0.1], [0.9, 0.2, 0.1], [0.8, 0.1, 0.1]])
    targets = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    found = find_wrong_labels(probabilities, targets, MULTI_LABEL)
    assert [one.clip for one in found] == [1, 0, 2]
    assert [one.predicted for one in found] == [(1,), (0, 1), (0,)]
    assert [one.probability for one in found] == pytest.approx([0.95, 0.9, 0.8])


def test_certain_probabilities_are_ranked_as_well():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    targets = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert [one.clip for one in find_wrong_labels(probabilities, targets, BINARY)] == [1]
