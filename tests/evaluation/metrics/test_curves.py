import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from earmark.evaluation.metrics.curves import coverage_curve, recall_precision_curve, roc_curve


@st.composite
def scored(draw):
    # Few values, so that there are ties.
    pairs = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=2, max_size=50))
    target, score = zip(*pairs, strict=True)
    return np.array(target, np.float64), np.array(score) / 9.0


@given(scored())
def test_areas_agree_with_scikit_learn_and_with_the_points(case):
    target, score = case
    curve = roc_curve(target, score)
    if len(set(target)) < 2:
        assert curve is None
    else:
        assert curve.area == pytest.approx(roc_auc_score(target, score))
        assert auc(curve.x, curve.y) == pytest.approx(curve.area)
    curve = recall_precision_curve(target, score)
    if not target.any():
        assert curve is None
    else:
        assert curve.area == pytest.approx(average_precision_score(target, score))
        steps = -np.diff(curve.x) @ curve.y[:-1]
        assert steps == pytest.approx(curve.area)


@given(scored())
def test_the_curve_of_coverage_is_that_of_every_level_of_confidence(case):
    target, confidence = case
    correct = target > 0
    curve = coverage_curve(confidence, correct)
    levels = sorted(set(confidence), reverse=True)
    assert len(curve.x) == len(levels)
    for level, coverage, accuracy in zip(levels, curve.x, curve.y, strict=True):
        decided = confidence >= level
        assert coverage == pytest.approx(decided.mean())
        assert accuracy == pytest.approx(correct[decided].mean())
    assert (curve.x[-1], curve.y[-1]) == (1.0, pytest.approx(correct.mean()))
    assert 0.0 <= curve.area <= 1.0 + 1e-12


def test_confidence_that_knows_the_errors_has_more_area_than_one_that_does_not(rng):
    correct = rng.random(400) < 0.7
    knowing = coverage_curve(np.where(correct, 0.9, 0.6) + 0.05 * rng.random(400), correct)
    blind = coverage_curve(rng.random(400), correct)
    assert knowing.area > 0.9 > blind.area
    assert blind.area == pytest.approx(0.7, abs=0.1)
