import math

import numpy as np
import pytest

from earmark.tasks.false_alarms import MAX_SCORES, MIN_SCORES, alarm_threshold, keep_scores

DRAWS = {
    "normal": lambda rng, size: 10 + rng.normal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "distances": lambda rng, size: np.sqrt(rng.chisquare(5, size=size)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("number", [MIN_SCORES, 20, 80, 99, 2000])
def test_no_more_false_alarms_are_expected_than_asked(draw, number, rng):
    rates = []
    for _ in range(300):
        threshold = alarm_threshold(keep_scores(draw(rng, number)), 0.01)
        rates.append(np.mean(draw(rng, 1000) > threshold))
    error = np.std(rates) / math.sqrt(len(rates))
    assert np.mean(rates) < 0.01 + 3 * error


def test_with_enough_scores_the_threshold_is_an_order_statistic():
    scores = tuple(map(float, range(1, 200)))
    assert alarm_threshold(scores, 0.01) == 198.0
    assert alarm_threshold(scores, 0.005) == 199.0
    assert alarm_threshold(scores, 0.5) == 100.0


def test_with_few_scores_it_lies_beyond_the_largest_and_further_for_fewer():
    few, more = (tuple(np.linspace(1, 2, number)) for number in (12, 60))
    assert alarm_threshold(few, 0.01) > alarm_threshold(more, 0.01) > 2.0
    assert alarm_threshold(more, 0.001) > alarm_threshold(more, 0.01)


def test_without_scores_or_without_a_rate_nothing_is_above():
    scores = tuple(map(float, range(MIN_SCORES)))
    assert math.isfinite(alarm_threshold(scores, 0.01))
    assert alarm_threshold(scores, 0.0) == math.inf
    assert alarm_threshold(scores[1:], 0.01) == math.inf
    assert alarm_threshold((), 0.01) == math.inf
    assert alarm_threshold((1.0,) * 20, 0.01) == 1.0


def test_of_many_scores_the_kept_ones_give_no_lower_threshold(rng):
    scores = rng.exponential(size=12_345)
    kept = keep_scores(scores)
    assert len(kept) == MAX_SCORES
    assert list(kept) == sorted(kept)
    assert kept[-1] == pytest.approx(scores.max(), rel=1e-5)
    everything = tuple(np.sort(scores))
    for rate in (0.003, 0.01, 0.2):
        found, exact = alarm_threshold(kept, rate), alarm_threshold(everything, rate)
        assert 0.999 * exact < found < 1.5 * exact
    assert keep_scores(np.array([2.0, 1.0])) == (1.0, 2.0)
    assert keep_scores(np.array([])) == ()
