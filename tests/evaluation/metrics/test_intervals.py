import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from earmark.evaluation.metrics.intervals import ClusterBootstrap, effective_size, wilson_interval


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_agrees_with_scipy(case):
    hits, total = case
    expected = binomtest(hits, total).proportion_ci(0.9, method="wilson")
    assert wilson_interval(hits / total, float(total), 0.9) == pytest.approx(
        (expected.low, expected.high)
    )


def test_clips_of_one_group_count_for_less(rng):
    alone = [f"g{n}" for n in range(200)]
    correct = np.repeat([True, False], 100)
    assert effective_size(correct, alone) == 200
    assert effective_size(correct, ["a"] * 100 + ["b"] * 100) == 1
    mixed = [f"g{n % 20}" for n in range(200)]
    assert effective_size(rng.permutation(correct), mixed) > 60
    assert effective_size(np.ones(200, bool), mixed) == 20
    assert effective_size(np.ones(200, bool), ["a"] * 200) == 1


def interval_of(values, groups, **changes):
    facts = {"num_resamples": 2000, "seed": 0, "confidence": 0.95, **changes}
    column = np.asarray(values, np.float64)[:, None]
    (found,) = ClusterBootstrap(groups, **facts).intervals(column, np.ones_like(column))
    return found


def test_where_each_clip_is_a_group_the_interval_is_that_of_scipy(rng):
    values = rng.gamma(2.0, 1.0, 60)
    reference = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    found = interval_of(values, list(map(str, range(60))), num_resamples=20_000)
    assert found == pytest.approx((reference.low, reference.high), abs=0.02)


def test_copies_of_clips_in_their_groups_do_not_narrow_the_interval(rng):
    values, names = rng.random(30), list(map(str, range(30)))
    assert interval_of(np.repeat(values, 9), np.repeat(names, 9).tolist()) == pytest.approx(
        interval_of(values, names)
    )


def test_whole_groups_are_resampled_whatever_their_size(rng):
    groups = np.repeat(["a", "b", "c", "d"], [1, 5, 20, 4])
    hits = rng.random(30) < 0.6
    found = interval_of(hits, groups.tolist(), num_resamples=5000)
    drawn = []
    for _ in range(5000):
        parts = [hits[groups == name] for name in rng.choice(list("abcd"), 4)]
        drawn.append(np.concatenate(parts).mean())
    assert found == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.02)


def test_the_interval_covers_the_truth_at_its_level(rng):
    names = np.repeat(np.arange(40), 5).astype(str).tolist()
    hits = 0
    for seed in range(200):
        fractions = np.repeat(rng.beta(4.0, 2.0, 40), 5)
        low, high = interval_of(rng.random(200) < fractions, names, num_resamples=400, seed=seed)
        hits += low <= 4.0 / 6.0 <= high
    assert 0.88 <= hits / 200 <= 0.99


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 9))
def test_the_same_seed_gives_the_same_interval_within_the_range_of_the_metric(hits, seed):
    groups = [str(index % 7) for index in range(len(hits))]
    low, high = interval_of(hits, groups, num_resamples=200, seed=seed)
    assert 0.0 <= low <= high <= 1.0
    assert (low, high) == interval_of(hits, groups, num_resamples=200, seed=seed)


def test_chunks_of_resamples_change_nothing(rng, monkeypatch):
    hits, names = rng.random(50) < 0.7, list(map(str, range(50)))
    whole = interval_of(hits, names)
    monkeypatch.setattr("earmark.evaluation.metrics.intervals._CHUNK_WEIGHTS", 50 * 7)
    assert interval_of(hits, names) == whole


def test_one_group_or_no_denominator_has_no_interval():
    bootstrap = ClusterBootstrap(["a", "a"], 100, 0, 0.95)
    assert bootstrap.intervals(np.ones((2, 1)), np.ones((2, 1))) == [None]
    bootstrap = ClusterBootstrap(["a", "b"], 100, 0, 0.95)
    assert bootstrap.intervals(np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]])) == [
        None,
        (0.0, 0.0),
    ]


def test_the_interval_of_a_mean_is_that_of_its_ratio(rng):
    hits = rng.random(50) < 0.7
    bootstrap = ClusterBootstrap(list(map(str, range(50))), 200, 0, 0.95)
    expected = interval_of(hits, bootstrap.groups, num_resamples=200)
    assert bootstrap.mean_interval(hits) == expected
    assert ClusterBootstrap(["a", "a"], 100, 0, 0.95).mean_interval(hits[:2]) is None
