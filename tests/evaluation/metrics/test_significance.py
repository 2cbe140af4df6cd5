import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from earmark.evaluation.metrics.intervals import ClusterBootstrap
from earmark.evaluation.metrics.significance import compare_paired, compare_several, mcnemar

cases = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def make_bootstrap(num_clips, **facts):
    names = list(map(str, range(num_clips)))
    return ClusterBootstrap(
        **{"groups": names, "num_resamples": 500, "seed": 0, "confidence": 0.95} | facts
    )


@given(cases)
def test_the_test_is_the_binomial_of_the_clips_that_only_one_predicts_correctly(pairs):
    first, second = (np.array(one) for one in zip(*pairs, strict=True))
    found = mcnemar(first, second)
    only = pairs.count((True, False)), pairs.count((False, True))
    assert (found.num_only_first, found.num_only_second) == only
    expected = binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
    assert found.p_value == pytest.approx(expected)
    swapped = mcnemar(second, first)
    assert swapped.p_value == pytest.approx(found.p_value)


@given(cases)
def test_the_difference_is_that_of_the_accuracies_and_lies_in_its_interval(pairs):
    first, second = (np.array(one) for one in zip(*pairs, strict=True))
    found = compare_paired(first, second, make_bootstrap(len(pairs)))
    assert found.difference == pytest.approx(first.mean() - second.mean())
    if len(pairs) == 1:
        assert found.interval is None
    elif len(pairs) > 8:
        low, high = found.interval
        assert low - 1e-9 <= found.difference <= high + 1e-9


def test_a_model_does_not_differ_from_itself(rng):
    correct = rng.random(50) < 0.8
    found = compare_paired(correct, correct, make_bootstrap(50))
    assert found.to_dict() == {
        "num_clips": 50,
        "difference": 0.0,
        "difference_interval": [0.0, 0.0],
        "mcnemar": {"num_only_first": 0, "num_only_second": 0, "p_value": 1.0},
    }


def test_errors_on_the_same_clips_make_the_interval_narrower_than_errors_on_others(rng):
    first = rng.random(200) < 0.7
    same = first.copy()
    same[np.flatnonzero(~first)[:10]] = True
    other = rng.permutation(same)
    widths = [
        np.ptp(compare_paired(first, second, make_bootstrap(200)).interval)
        for second in (same, other)
    ]
    assert widths[0] < widths[1] / 2


@given(cases)
def test_one_of_several_networks_is_compared_as_a_pair(pairs):
    first, second = (np.array(one) for one in zip(*pairs, strict=True))
    bootstrap = make_bootstrap(len(pairs), num_resamples=20)
    assert compare_several(first[None], second, bootstrap) == compare_paired(
        first, second, bootstrap
    )


def test_several_networks_are_tested_one_by_one_and_the_least_certain_counts():
    second = np.arange(12) < 2
    firsts = np.array([np.arange(12) < 12, np.arange(12) < 4])
    found = compare_several(firsts, second, make_bootstrap(12))
    assert found.test == mcnemar(firsts[1], second)
    assert found.num_correct == (16, 4)
    assert found.num_clips == 24
    assert found.difference == 0.5
    assert found.interval[0] < 0.5 < found.interval[1]


def test_clips_of_one_group_have_a_p_value_but_no_interval():
    first, second = np.ones(6, bool), np.zeros(6, bool)
    one, many = (
        compare_paired(first, second, ClusterBootstrap(groups, 100, 0, 0.95))
        for groups in (["a"] * 6, list("abcdef"))
    )
    assert one.interval is None
    assert "group" in str(one)
    assert "0.031" in str(one)
    assert "+100.0% to +100.0%" in str(many)
    assert "group" not in str(many)
