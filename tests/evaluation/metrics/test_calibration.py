import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from earmark.evaluation.metrics.calibration import (
    NUM_BINS,
    brier_scores,
    measure_calibration,
    reliability_bins,
)
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL, multi_hot
from earmark.tasks.temperature import (
    HIGHEST_TEMPERATURE,
    PRIOR_CLIPS,
    calibration_slope,
    fit_temperature,
)

every_task = pytest.mark.parametrize(
    "task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=lambda task: task.name
)


def draw(task, seed, scale=1.0, num_clips=80):
    """Logits, and labels drawn with the very probabilities that the logits give."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (num_clips, task.num_outputs(4)))
    probabilities = task.probabilities(logits)
    if task is MULTI_LABEL:
        targets = (rng.random(probabilities.shape) < probabilities).astype(np.float64)
    else:
        picked = [(int(rng.choice(len(row), p=row / row.sum())),) for row in probabilities]
        targets = multi_hot(picked, probabilities.shape[1])
    return scale * logits, targets


def loss(task, logits, targets):
    return task.losses(logits, targets).mean()


@every_task
@given(seed=st.integers(0, 999), scale=st.floats(0.2, 20))
def test_the_slope_is_zero_at_the_fit_and_no_loss_grows(task, seed, scale):
    logits, targets = draw(task, seed, scale)
    temperature = fit_temperature(logits, targets, task)
    assert temperature >= 1.0
    slope = calibration_slope(temperature, logits, targets, task)
    if temperature > 1.0:
        assert slope == pytest.approx(0.0, abs=1e-6 * len(logits))
    else:
        # Surer probabilities would fit better, and they are not given.
        assert slope <= 0.0
    assert loss(task, logits / temperature, targets) <= loss(task, logits, targets) + 1e-12


@every_task
@given(seed=st.integers(0, 99), temperature=st.floats(0.5, 8))
def test_the_slope_is_the_derivative_of_losses_and_prior(task, seed, temperature):
    logits, targets = draw(task, seed, num_clips=12)

    def total(inverse):
        losses = task.losses(inverse * logits, targets).sum()
        return losses + PRIOR_CLIPS * (inverse - np.log(inverse))

    inverse, step = 1.0 / temperature, 1e-6
    expected = (total(inverse + step) - total(inverse - step)) / (2 * step)
    assert calibration_slope(temperature, logits, targets, task) == pytest.approx(
        expected, abs=1e-4
    )


@every_task
def test_the_fit_is_the_lowest_of_all_temperatures(task):
    logits, targets = draw(task, 3, scale=3.0)
    found = minimize_scalar(
        lambda inverse: task.losses(inverse * logits, targets).sum() + inverse - np.log(inverse),
        bounds=(1e-3, 1.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert 1.0 / fit_temperature(logits, targets, task) == pytest.approx(found.x, abs=1e-6)


@every_task
def test_overconfident_logits_are_calibrated(task):
    logits, targets = draw(task, 0, scale=4.0, num_clips=4000)
    assert fit_temperature(logits, targets, task) == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("num_clips", [2, 16, 400])
def test_clips_that_are_all_right_make_nothing_surer(num_clips):
    targets = multi_hot([(index % 2,) for index in range(num_clips)], 2)
    logits = np.where(targets[:, 1:] > 0, 3.0, -3.0)
    assert fit_temperature(logits, targets, BINARY) == 1.0


def test_one_wrong_clip_of_few_does_not_run_off():
    targets = multi_hot([(0,), (1,), (1,), (0,)], 2)
    wrong = np.array([[-8.0], [8.0], [-8.0], [-8.0]])
    assert 1.0 < fit_temperature(wrong, targets, BINARY) < 20.0
    assert fit_temperature(-1e6 * np.ones((4, 1)), multi_hot([(1,)] * 4, 2), BINARY) == (
        HIGHEST_TEMPERATURE
    )


@st.composite
def cases(draw):
    pairs = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
    confidences, outcomes = zip(*pairs, strict=True)
    return np.array(confidences), np.array(outcomes, np.float64)


@given(cases())
def test_the_bins_are_those_of_scikit_learn(case):
    confidences, outcomes = case
    assume(len(set(outcomes)) == 2)
    bins = reliability_bins(confidences, outcomes)
    assert len(bins) == NUM_BINS
    assert sum(one.count for one in bins) == len(outcomes)
    full = [one for one in bins if one.count]
    accuracy, confidence = calibration_curve(outcomes, confidences, n_bins=NUM_BINS)
    np.testing.assert_allclose([one.accuracy for one in full], accuracy)
    np.testing.assert_allclose([one.confidence for one in full], confidence)
    for one in full:
        assert one.low - 1e-12 <= one.confidence <= one.high + 1e-12


@given(cases())
def test_the_error_is_the_mean_distance_of_a_prediction_from_its_bin(case):
    confidences, outcomes = case
    logits = np.log((confidences + 1e-9) / (1 - confidences + 1e-9))[:, None]
    found = measure_calibration(logits, np.stack([1 - outcomes, outcomes], axis=1), BINARY)
    expected = sum(
        one.count * abs(one.confidence - one.accuracy) for one in found.bins if one.count
    )
    assert found.ece == pytest.approx(expected / len(outcomes))
    assert 0.0 <= found.ece <= 1.0


@every_task
@pytest.mark.parametrize("seed", range(5))
def test_loss_and_brier_score_agree_with_scikit_learn(task, seed):
    logits, targets = draw(task, seed)
    probabilities = task.probabilities(logits)
    found = measure_calibration(logits, targets, task)
    if task is BINARY:
        expected = brier_score_loss(targets[:, 1], probabilities[:, 1])
        assert found.loss == pytest.approx(log_loss(targets[:, 1], probabilities[:, 1]))
    elif task is MULTI_CLASS:
        expected = brier_score_loss(targets.argmax(axis=1), probabilities, labels=range(4))
        assert found.loss == pytest.approx(log_loss(targets.argmax(axis=1), probabilities))
    else:
        columns = zip(targets.T, probabilities.T, strict=True)
        expected = np.mean([brier_score_loss(target, share) for target, share in columns])
    assert found.brier == pytest.approx(expected)
    assert brier_scores(probabilities, targets, task).mean() == pytest.approx(expected)


def test_the_most_probable_of_many_labels_counts_and_each_of_several():
    logits, targets = draw(MULTI_CLASS, 1)
    probabilities = MULTI_CLASS.probabilities(logits)
    found = measure_calibration(logits, targets, MULTI_CLASS)
    hits = (probabilities.argmax(axis=1) == targets.argmax(axis=1)).astype(np.float64)
    assert found.bins == reliability_bins(probabilities.max(axis=1), hits)
    assert sum(one.count for one in measure_calibration(logits, targets, MULTI_LABEL).bins) == 320
