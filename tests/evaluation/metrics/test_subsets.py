import numpy as np
import pytest

from earmark.evaluation.metrics.intervals import effective_size, wilson_interval
from earmark.evaluation.metrics.subsets import ExcerptScores, score_subset

CORRECT = np.array([True, True, False, True])
LOSSES = np.array([0.1, 0.2, 1.3, 0.4])
GROUPS = ["a", "a", "b", "c"]


def test_the_interval_is_over_the_effective_size():
    found = score_subset(CORRECT, LOSSES, GROUPS, confidence=0.9)
    assert (found.num_clips, found.num_groups, found.num_correct) == (4, 3, 3)
    assert found.accuracy == 0.75
    assert found.loss == pytest.approx(0.5)
    expected = wilson_interval(0.75, effective_size(CORRECT, GROUPS), 0.9)
    assert found.accuracy_interval == expected
    assert found.to_dict()["accuracy_interval"] == list(expected)


def test_the_size_may_be_given():
    found = score_subset(CORRECT, LOSSES, GROUPS, confidence=0.95, size=4.0)
    assert found.accuracy_interval == wilson_interval(0.75, 4.0, 0.95)


def test_excerpts_have_their_own_keys():
    assert ExcerptScores(1.0, 10, 9, 0.2).to_dict() == {
        "seconds": 1.0,
        "num_excerpts": 10,
        "num_correct": 9,
        "loss": 0.2,
        "accuracy": 0.9,
    }
