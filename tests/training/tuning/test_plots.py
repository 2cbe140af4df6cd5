"""Plots of a study."""

import numpy as np
import pytest

from earmark.training.tuning.plots import (
    ParallelAxis,
    draw_history,
    draw_importance,
    draw_parallel,
)


def test_the_history_shows_the_best_so_far_of_the_complete_trials():
    values, complete = [0.5, 0.1, 0.6, 0.4], [True, False, True, True]
    (axes,) = draw_history([0, 1, 2, 3], values, complete, "loss").axes
    assert list(axes.lines[0].get_ydata()) == [0.5, 0.5, 0.4]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["complete", "pruned", "best so far"]


def test_the_best_accuracy_is_the_highest():
    (axes,) = draw_history([0, 1, 2], [0.5, 0.9, 0.7], [True] * 3, "accuracy").axes
    assert list(axes.lines[0].get_ydata()) == [0.5, 0.9, 0.9]


@pytest.mark.parametrize(("high", "scale"), [(0.9, "linear"), (90.0, "log")])
def test_losses_that_differ_much_have_a_logarithmic_axis(high, scale):
    (axes,) = draw_history([0, 1], [0.1, high], [True, True], "loss").axes
    assert axes.get_yscale() == scale


def test_the_most_important_setting_is_on_top():
    (axes,) = draw_importance({"a": 0.7, "b": 0.1, "c": 0.2}, "loss").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "c", "a"]


def test_an_axis_places_numbers_between_0_and_1():
    places, ticks = ParallelAxis("x", [1, 10, 100], log=True).places()
    np.testing.assert_allclose(places, [0, 0.5, 1])
    assert [text for _, text in ticks] == ["1", "3.16", "10", "31.6", "100"]
    places, _ = ParallelAxis("x", ["b", "a"], order=("a", "b", "c")).places()
    np.testing.assert_allclose(places, [0.5, 0])
    places, _ = ParallelAxis("x", [3, 3]).places()
    np.testing.assert_allclose(places, [0, 0])


def test_there_is_a_line_a_trial_and_one_an_axis():
    settings = [ParallelAxis("train.epochs", [1, 2, 3])]
    (axes,) = draw_parallel(settings, [0.3, 0.2, 0.4], [True, True, False], "loss").axes
    assert len(axes.lines) == 3 + 2
    assert [text.get_text() for text in axes.get_xticklabels()][1] == "validation loss"
