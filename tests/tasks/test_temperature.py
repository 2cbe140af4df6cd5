import numpy as np
import pytest

from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL, multi_hot
from earmark.tasks.temperature import HIGHEST_TEMPERATURE, calibration_slope, fit_temperature

NUM_CLIPS = 4000


def drawn(task, temperature, rng):
    """Logits that are too large by a factor, and targets drawn by the true probabilities."""
    true = rng.normal(0, 2, (NUM_CLIPS, task.num_outputs(3)))
    probabilities = task.probabilities(true)
    if task is MULTI_LABEL:
        return true * temperature, (rng.random(true.shape) < probabilities).astype(float)
    chosen = [rng.choice(row.size, p=row) for row in probabilities]
    return true * temperature, multi_hot([(one,) for one in chosen], probabilities.shape[1])


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=str)
def test_the_temperature_by_which_logits_are_too_large_is_found(task, rng):
    logits, targets = drawn(task, 3.0, rng)
    temperature = fit_temperature(logits, targets, task)
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert calibration_slope(temperature, logits, targets, task) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=str)
def test_probabilities_are_never_sharpened(task, rng):
    logits, targets = drawn(task, 0.3, rng)
    assert fit_temperature(logits, targets, task) == 1.0


def test_the_temperature_is_bounded():
    logits = np.array([[1e6], [1e6]])
    targets = multi_hot([(0,), (1,)], 2)
    assert 1.0 < fit_temperature(logits, targets, BINARY) <= HIGHEST_TEMPERATURE
