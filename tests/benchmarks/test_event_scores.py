"""The figures of `benchmarks/event_scores.py`, against examples worked by hand and sed_eval."""

import math
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scores(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import event_scores

    return event_scores


def test_segments_are_counted_by_label_and_by_hundredths(scores):
    annotated = [(0.0, 1.0, "speech"), (1.0, 2.0, "music")]
    found = [(0.0, 1.25, "speech"), (1.25, 2.0, "music")]
    agreement = scores.compare_segments(annotated, found)
    # Speech: 100 of 125 right. Music: 75 of 75 right, 25 missed.
    assert agreement == scores.Agreement(175, 200, 200)
    assert agreement.f1 == agreement.precision == agreement.recall == 0.875


def test_a_segment_is_active_if_any_part_of_it_is(scores):
    agreement = scores.compare_segments(
        [(0.0, 1.0, "a")], [(0.5, 1.01, "a")], resolution_seconds=1.0
    )
    assert agreement == scores.Agreement(1, 2, 1)
    assert scores.compare_segments([(0.29, 0.57, "a")], []).num_annotated == 28


def test_labels_at_once_count_each(scores):
    annotated = [(0.0, 2.0, "speech"), (1.0, 2.0, "music")]
    assert scores.compare_segments(annotated, [(0.0, 2.0, "speech")]) == scores.Agreement(
        200, 200, 300
    )


def test_events_need_their_onset_within_the_collar(scores):
    annotated = [(1.0, 2.0, "a"), (3.0, 4.0, "a"), (5.0, 6.0, "a")]
    found = [(1.15, 2.0, "a"), (3.25, 4.0, "a"), (5.0, 6.0, "b"), (8.0, 9.0, "a")]
    agreement = scores.compare_events(annotated, found)
    assert agreement == scores.Agreement(1, 4, 3)
    assert (agreement.precision, agreement.recall) == (1 / 4, 1 / 3)
    assert agreement.f1 == pytest.approx(2 / 7)
    assert scores.compare_events(annotated, found, collar_seconds=0.3).num_true == 2


def test_offsets_may_be_off_by_a_share_of_the_annotated_length(scores):
    annotated, found = [(0.0, 4.0, "a")], [(0.0, 2.5, "a")]
    assert scores.compare_events(annotated, found).num_true == 1
    assert scores.compare_events(annotated, found, share_of_length=0.0).num_true == 0


def test_as_many_events_as_possible_are_matched(scores):
    # Taken in order, the first would take the only partner that the second has.
    annotated = [(1.0, 2.0, "a"), (1.2, 2.0, "a")]
    found = [(1.05, 2.0, "a"), (0.9, 2.0, "a")]
    assert scores.compare_events(annotated, found).num_true == 2


def test_nothing_gives_no_figure(scores):
    for compare in (scores.compare_segments, scores.compare_events):
        assert compare([], []) == scores.Agreement(0, 0, 0)
        assert math.isnan(compare([], []).f1)
        assert compare([], [(0.0, 1.0, "a")]).f1 == 0.0
    assert scores.Agreement(1, 2, 3) + scores.Agreement(1, 1, 1) == scores.Agreement(2, 3, 4)


def random_events(rng, label):
    edges = np.sort(rng.choice(3000, 10, replace=False)) / 100
    return [(float(a), float(b), label) for a, b in edges.reshape(-1, 2)]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_figures_are_those_of_sed_eval(scores, seed):
    """Runs where sed_eval can be imported; it is not among the dependencies of the tests."""
    sed_eval = pytest.importorskip("sed_eval")
    rng = np.random.default_rng(seed)
    labels = ["music", "speech"]
    annotated = [one for label in labels for one in random_events(rng, label)]
    shift = rng.integers(-30, 30, (len(annotated), 2)) / 100
    found = [
        (max(0.0, round(a + x, 2)), round(b + y, 2), label)
        for (a, b, label), (x, y) in zip(annotated, shift, strict=True)
        if b + y > a + x > 0
    ][1:]

    def as_dicts(events):
        return [{"event_onset": a, "event_offset": b, "event_label": c} for a, b, c in events]

    def figures(metrics):
        metrics.evaluate(as_dicts(annotated), as_dicts(found))
        return metrics.results_overall_metrics()["f_measure"]

    theirs = figures(sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=0.01))
    ours = scores.compare_segments(annotated, found)
    # sed_eval takes 28.999999999999996 hundredths for 28: a hundredth here and there.
    assert ours.f1 == pytest.approx(theirs["f_measure"], abs=2e-3)
    # No difference is 0.205 s exactly, so that rounding cannot decide.
    theirs = figures(sed_eval.sound_event.EventBasedMetrics(labels, t_collar=0.205))
    ours = scores.compare_events(annotated, found, collar_seconds=0.205)
    assert ours.f1 == pytest.approx(theirs["f_measure"], abs=1e-12)
