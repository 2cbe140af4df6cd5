import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.config import PredictConfig
from earmark.inference.segmentation.segments import (
    WindowProbabilities,
    cell_edges,
    find_segments,
    move_boundaries,
    smooth,
    viterbi,
)
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

HOP, LENGTH = 0.1, 1.0


def make_windows(probabilities):
    probabilities = np.asarray(probabilities, np.float32)
    starts = np.arange(len(probabilities)) * HOP
    return WindowProbabilities(starts, starts + LENGTH, probabilities)


def find(probabilities, *, task=BINARY, labels=("music", "speech"), thresholds=None, **settings):
    windows = make_windows(probabilities)
    if thresholds is None:
        thresholds = task.default_thresholds(len(labels))
    return find_segments(
        windows,
        float(windows.ends[-1]),
        labels,
        task=task,
        thresholds=thresholds,
        config=PredictConfig(**settings),
    )


def speech(shares):
    return np.stack([1 - np.asarray(shares), shares], axis=1)


def told(segments):
    return [(one.start, one.end, one.label) for one in segments]


def test_cells_meet_half_way_between_the_middles_of_windows():
    starts = np.array([0.0, 0.4, 1.0])
    windows = WindowProbabilities(starts, starts + 1.0, np.zeros((3, 2), np.float32))
    np.testing.assert_allclose(cell_edges(windows, 2.5), [0, 0.7, 1.2, 2.5])


def test_a_change_lies_where_the_windows_change_their_mind():
    # Windows of 1 s whose middles lie before 5 s say music.
    shares = np.where(np.arange(91) * HOP + LENGTH / 2 < 4.999, 0.1, 0.9)
    (music, talk) = find(speech(shares))
    assert (music.start, music.label, talk.end, talk.label) == (0.0, "music", 10.0, "speech")
    assert music.end == talk.start == pytest.approx(5.0, abs=0.051)
    assert (music.probability, talk.probability) == pytest.approx((0.9, 0.9))


@given(
    arrays(
        float, st.tuples(st.integers(1, 7), st.just(1), st.integers(2, 3)),
        elements=st.integers(-9, 9).map(float),
    ),
    st.integers(1, 4),
)  # fmt: skip
def test_viterbi_finds_the_best_of_all_states_that_last_long_enough(scores, min_cells):
    num_cells, _, num_states = scores.shape
    shortest = min(min_cells, num_cells)

    def total(states):
        return sum(scores[cell, 0, state] for cell, state in enumerate(states))

    allowed = [
        states
        for states in itertools.product(range(num_states), repeat=num_cells)
        if all(len(list(run)) >= shortest for _, run in itertools.groupby(states))
    ]
    found = tuple(viterbi(scores, min_cells)[:, 0].tolist())
    assert found in allowed
    assert total(found) == max(map(total, allowed))


def test_lanes_are_smoothed_each_by_itself(rng):
    scores = rng.standard_normal((200, 3, 2))
    together = viterbi(scores, 5)
    for lane in range(3):
        np.testing.assert_array_equal(together[:, [lane]], viterbi(scores[:, [lane]], 5))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.05, 2.0))
def test_viterbi_segments_last_at_least_the_minimum_and_cover_everything(
    shares, min_segment_seconds
):
    segments = find(speech(shares), min_segment_seconds=min_segment_seconds)
    end = make_windows(speech(shares)).ends[-1]
    # Half a window more than the cells of its neighbours at either end of the recording.
    shortest = min(round(min_segment_seconds / HOP), len(shares)) * HOP - 1e-6
    assert all(one.end - one.start >= shortest for one in segments)
    assert (segments[0].start, segments[-1].end) == pytest.approx((0.0, end), abs=1e-3)
    assert all(a.end == b.start and a.label != b.label for a, b in itertools.pairwise(segments))


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=40), st.sampled_from([0.3, 0.5, 0.8]))
def test_without_smoothing_each_window_is_predicted_as_a_clip_is(shares, threshold):
    shares = [one for one in np.float32(shares) if abs(one - threshold) > 1e-4] or [0.1]
    segments = find(speech(shares), thresholds=(threshold,), smoothing="none")
    windows = make_windows(speech(shares))
    chosen = BINARY.choose(windows.probabilities.astype(float), (threshold,))[:, 1]
    for middle, is_speech in zip((windows.starts + windows.ends) / 2, chosen, strict=True):
        (label,) = [one.label for one in segments if one.start <= middle < one.end]
        assert label == ("speech" if is_speech else "music")


def test_the_median_drops_what_is_shorter_than_half_of_it():
    shares = np.full(100, 0.1)
    shares[40:42], shares[60:70] = 0.9, 0.9
    segments = find(speech(shares), smoothing="median", min_segment_seconds=0.5)
    assert [one.label for one in segments] == ["music", "speech", "music"]
    assert segments[1].end - segments[1].start == pytest.approx(1.0)
    scores = np.log(speech(shares))[:, None, :]
    assert smooth(scores, "none", 5).sum() == 12


@given(
    arrays(float, st.tuples(st.integers(1, 12), st.just(2), st.just(2)),
           elements=st.integers(-9, 9).map(float)),
    st.integers(1, 6),
)  # fmt: skip
def test_the_median_is_that_of_the_cells_around(scores, num_cells):
    reach = num_cells // 2
    padded = np.pad(scores, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    around = [padded[cell : cell + 2 * reach + 1] for cell in range(len(scores))]
    expected = np.median(np.array(around), axis=1).argmax(axis=2)
    np.testing.assert_array_equal(smooth(scores, "median", num_cells), expected)


def test_labels_that_sound_at_once_overlap():
    shares = np.zeros((100, 2))
    shares[:60, 0], shares[30:, 1] = 0.9, 0.8
    music, talk = find(shares, task=MULTI_LABEL, thresholds=(0.5, 0.7))
    assert (music.label, talk.label) == ("music", "speech")
    assert music.end > talk.start
    assert talk.probability == pytest.approx(0.8)
    (alone,) = find(shares, task=MULTI_LABEL, thresholds=(0.5, 0.85))
    assert alone.label == "music"


@pytest.mark.parametrize("smoothing", ["viterbi", "median", "none"])
@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS, MULTI_LABEL])
def test_no_decision_is_a_gap(task, smoothing):
    shares = speech(np.full(90, 0.9))
    shares[30:60] = np.nan
    segments = find(shares, task=task, smoothing=smoothing)
    assert told(segments) == [(0.0, pytest.approx(3.45), "speech"),
                              (pytest.approx(6.45), 9.9, "speech")]  # fmt: skip
    assert all(one.probability == pytest.approx(0.9) for one in segments)


def test_a_pause_shorter_than_the_minimum_is_passed_over():
    shares = speech(np.full(90, 0.9))
    shares[30:34] = np.nan
    (whole,) = find(shares)
    assert told([whole]) == [(0.0, 9.9, "speech")]
    assert whole.probability == pytest.approx(0.9)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(["viterbi", "median", "none"]),
    st.sampled_from([0.2, 0.5, 1.0]),
)
def test_every_segment_holds_a_decision(cells, smoothing, min_segment_seconds):
    shares = speech([share for share, _ in cells])
    shares[[not decided for _, decided in cells]] = np.nan
    for one in find(shares, smoothing=smoothing, min_segment_seconds=min_segment_seconds):
        assert 0 <= one.probability <= 1
        assert one.start < one.end


def test_a_recording_without_any_decision_has_no_segments():
    assert find(np.full((20, 2), np.nan)) == ()


def test_a_recording_of_one_window_has_one_segment():
    assert told(find(speech([0.7]))) == [(0.0, 1.0, "speech")]


def test_the_middles_of_windows_say_when_and_whole_windows_what():
    wholes = speech(np.where(np.arange(91) < 45, 0.1, 0.9))
    # The change comes three cells later, and what is heard for an instant at 2 s does not last.
    middles = speech(np.where(np.arange(91) < 48, 0.1, 0.9))
    middles[15] = [0.1, 0.9]
    windows = make_windows(wholes)
    windows = WindowProbabilities(
        windows.starts, windows.ends, windows.probabilities, np.float32(middles)
    )

    def first_end(smoothing):
        segments = find_segments(
            windows, 10.0, ("music", "speech"), task=BINARY, thresholds=(0.5,),
            config=PredictConfig(smoothing=smoothing),
        )  # fmt: skip
        assert [one.label for one in segments] == ["music", "speech"]
        return segments[0].end

    assert first_end("none") == pytest.approx(4.95)
    assert first_end("viterbi") == first_end("median") == pytest.approx(5.25)


@given(
    arrays(float, st.tuples(st.integers(1, 30), st.integers(1, 2), st.just(3)),
           elements=st.integers(-9, 9).map(float)),
    st.integers(0, 5), st.integers(1, 4), st.randoms(use_true_random=False),
)  # fmt: skip
def test_moved_boundaries_keep_order_and_length_and_fit_no_worse(scores, reach, shortest, random):
    states = viterbi(np.array([random.choice([-1.0, 0.0, 1.0]) for _ in scores.flat])
                     .reshape(scores.shape), shortest)  # fmt: skip
    moved = move_boundaries(states, scores, reach, min_cells=shortest)
    for lane in range(states.shape[1]):
        before, after = (
            [(state, len(list(run))) for state, run in itertools.groupby(one[:, lane])]
            for one in (states, moved)
        )
        assert [state for state, _ in before] == [state for state, _ in after]
        assert all(length >= min(shortest, len(states)) for _, length in after)
        edges = (np.cumsum([length for _, length in one]) for one in (before, after))
        assert np.abs(np.subtract(*edges)).max() <= reach
        cells = np.arange(len(states))
        totals = (scores[cells, lane, one[:, lane]].sum() for one in (states, moved))
        assert next(totals) <= next(totals)


def test_a_boundary_is_moved_to_the_best_place_within_reach():
    states = np.repeat([0, 1], 10)[:, None]
    scores = np.zeros((20, 1, 2))
    scores[:13, 0, 0] = 1.0
    scores[13:, 0, 1] = 1.0
    for reach, expected in ((0, 10), (2, 12), (3, 13), (8, 13)):
        moved = move_boundaries(states, scores, reach, min_cells=1)
        assert np.count_nonzero(moved == 0) == expected
    kept = move_boundaries(states, scores, 8, min_cells=9)
    assert np.count_nonzero(kept == 0) == 11
