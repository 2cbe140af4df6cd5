import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.tasks.pooling import clip_logits, pool_novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL


def _weight(difference):
    """Weight of the less confident of two windows."""
    return 1 / (1 + np.exp(difference))


def test_the_logits_of_a_clip_are_the_mean_over_its_windows():
    logits = clip_logits(np.array([[1.0], [2.0], [6.0]]), np.array([0, 1, 1]))
    assert logits.tolist() == [[1.0], [4.0]]


@pytest.mark.parametrize(
    ("task", "pooling", "expected"),
    [
        (BINARY, "max", [[-5.0, 1.0]]),
        (BINARY, "attention", [[-5.0 + 7.0 * _weight(3.0), 1.0]]),
        (MULTI_CLASS, "max", [[-5.0, 1.0]]),
        (MULTI_LABEL, "max", [[2.0, 1.0]]),
        (MULTI_LABEL, "attention", [[2.0 - 7.0 * _weight(7.0), 1.0]]),
    ],
)
def test_the_most_confident_window_decides_or_weighs_more(task, pooling, expected):
    windows = np.array([[-5.0, 1.0], [2.0, 1.0]])
    if task is BINARY:
        windows, expected = windows[:, :1], [expected[0][:1]]
    both = np.concatenate([windows, windows[::-1]])
    logits = clip_logits(both, np.array([0, 0, 1, 1]), task=task, pooling=pooling)
    np.testing.assert_allclose(logits, expected * 2)


@given(
    arrays(float, (7, 3), elements=st.floats(-30, 30)),
    st.sampled_from(["mean", "max", "attention"]),
    st.sampled_from([MULTI_CLASS, MULTI_LABEL]),
)
def test_the_logits_of_a_clip_lie_between_those_of_its_windows(windows, pooling, task):
    numbers = np.array([0, 0, 0, 1, 2, 2, 2])
    logits = clip_logits(windows, numbers, task=task, pooling=pooling)
    for clip, row in enumerate(logits):
        own = windows[numbers == clip]
        assert (row >= own.min(axis=0) - 1e-9).all()
        assert (row <= own.max(axis=0) + 1e-9).all()
    np.testing.assert_allclose(logits[1], windows[3])


def test_the_novelty_of_a_clip_is_the_mean_of_its_windows(rng):
    scores, clips = rng.normal(size=7), np.array([0, 0, 0, 1, 2, 2, 2])
    expected = [scores[clips == clip].mean() for clip in range(3)]
    np.testing.assert_allclose(pool_novelty(scores, clips), expected)
    columns = pool_novelty(np.stack([scores, -scores], axis=1), clips)
    np.testing.assert_allclose(columns, np.stack([expected, np.negative(expected)], axis=1))
