"""Whose settings are used, and greedy averaging, by the log-loss of validation clips."""

import numpy as np
import pytest
from scipy.stats import sem

from earmark.training.candidates.choice import Validated, choose_members, choose_settings


def validated(*of_target):
    """Clips of two labels, from the probability of the right one."""
    right = np.array(of_target)
    return Validated(np.stack([right, 1 - right], axis=1), np.tile([1.0, 0.0], (len(right), 1)))


def test_trusted_settings_stay_unless_another_loss_is_lower_by_a_standard_error():
    lower = validated(0.9, 0.6, 0.9, 0.7)
    within, beyond = validated(0.9, 0.5, 0.9, 0.7), validated(0.4, 0.5, 0.6, 0.7)
    assert within.loss() - lower.loss() < lower.standard_error() < beyond.loss() - lower.loss()
    assert choose_settings({"rules": within, "wider": lower}) == "rules"
    assert choose_settings({"rules": beyond, "wider": within, "deeper": lower}) == "wider"
    assert choose_settings({"rules": beyond, "deeper": lower}) == "deeper"


def test_the_standard_error_is_that_of_the_mean_loss():
    right = [0.9, 0.6, 0.3, 0.7]
    assert validated(*right).standard_error() == pytest.approx(sem(-np.log(right)))
    assert validated(0.9).standard_error() == 0.0


def test_networks_that_make_up_for_each_other_are_averaged():
    found = choose_members(
        {
            "first": validated(0.9, 0.9, 0.2),
            "second": validated(0.9, 0.2, 0.9),
            "third": validated(0.2, 0.9, 0.9),
            "bad": validated(0.1, 0.1, 0.1),
        }
    )
    assert set(found.members) == {"first", "second", "third"}
    assert found.loss == pytest.approx(-np.log(2 / 3))


def test_the_best_one_stays_alone_where_others_do_not_help():
    best = validated(0.9, 0.9, 0.9)
    found = choose_members({"worse": validated(0.8, 0.8, 0.8), "best": best})
    assert (found.members, found.loss) == (("best",), best.loss())


def test_an_average_must_be_clearly_better():
    several = {"one": validated(0.7, 0.5), "two": validated(0.5, 0.69)}
    assert len(choose_members(several, margin=0.0).members) == 2
    assert len(choose_members(several, margin=0.5).members) == 1


def test_there_are_at_most_so_many_members():
    several = {str(one): validated(*np.roll([0.1, *[0.9] * 5], one)) for one in range(6)}
    assert len(choose_members(several, max_members=2).members) == 2


def test_labels_that_are_independent_count_when_absent_too():
    some = Validated(np.array([[0.9, 0.2]]), np.array([[1.0, 0.0]]), is_multi_label=True)
    assert some.loss() == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)


def test_a_probability_of_zero_has_a_finite_loss():
    assert np.isfinite(validated(0.0, 1.0).loss())
