import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

TASKS = {BINARY: (0.5,), MULTI_CLASS: (), MULTI_LABEL: (0.2, 0.5, 0.8)}
logits = st.floats(-30, 30)


def rows(task):
    return st.lists(
        st.lists(logits, min_size=task.num_outputs(3), max_size=task.num_outputs(3)), min_size=1
    ).map(np.array)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_plain_rule_predicts_the_labels_and_probabilities_of_the_task(task, rng):
    drawn = rng.normal(0, 3, (50, task.num_outputs(3)))
    decided = DecisionRule(task, TASKS[task]).decide(drawn)
    np.testing.assert_array_equal(decided.probabilities, task.probabilities(drawn))
    expected = task.choose(task.probabilities(drawn), TASKS[task])
    np.testing.assert_array_equal(decided.chosen, expected)
    assert decided.abstained == (None,) * 50
    assert decided.is_decided.all()


@pytest.mark.parametrize("task", [BINARY, MULTI_CLASS], ids=lambda task: task.name)
@given(data=st.data(), temperature=st.floats(0.1, 10))
def test_a_temperature_changes_no_label_of_single_label_tasks(task, data, temperature):
    drawn = data.draw(rows(task))
    plain = DecisionRule(task, TASKS[task]).decide(drawn)
    warm = DecisionRule(task, TASKS[task], temperature)
    np.testing.assert_allclose(warm.calibrate(drawn) * temperature, drawn, atol=1e-12)
    decided = warm.decide(drawn)
    # Where two labels are as good as equally probable, rounding may choose.
    clear = plain.confidence > 0.5 + 1e-6 if task is BINARY else _margin(plain.probabilities) > 1e-6
    np.testing.assert_array_equal(decided.chosen[clear], plain.chosen[clear])
    if temperature > 1:
        assert (decided.confidence <= plain.confidence + 1e-12).all()


def _margin(probabilities):
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


@given(drawn=rows(MULTI_CLASS), least=st.floats(0, 0.99))
def test_a_label_below_the_minimum_probability_is_dropped(drawn, least):
    decided = DecisionRule(MULTI_CLASS, (), min_probability=least).decide(drawn)
    for confidence, row, reason in zip(
        decided.confidence, decided.chosen, decided.abstained, strict=True
    ):
        assert reason == ("unsure" if confidence < least else None)
        assert row.sum() == (reason is None)


def test_of_several_labels_only_the_probable_ones_are_kept_and_none_is_a_decision():
    rule = DecisionRule(MULTI_LABEL, (0.2, 0.2), min_probability=0.6)
    probabilities = np.array([[0.7, 0.3], [0.3, 0.1], [0.1, 0.1]])
    decided = rule.decide(np.log(probabilities / (1 - probabilities)))
    assert list(decided.indices()) == [(0,), (), ()]
    assert decided.abstained == (None, "unsure", None)


@given(drawn=rows(MULTI_LABEL), least=st.floats(0, 1))
def test_lanes_of_independent_labels_hold_what_would_be_predicted(drawn, least):
    rule = DecisionRule(MULTI_LABEL, (0.3,) * drawn.shape[1], min_probability=least)
    decided = rule.decide(drawn)
    in_lanes = decided.probabilities >= np.array(rule.lane_thresholds)
    np.testing.assert_array_equal(in_lanes, decided.chosen)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_rule_without_abstention_decides_on_every_clip(task, rng):
    drawn = rng.normal(0, 1, (50, task.num_outputs(3)))
    doubting = DecisionRule(task, TASKS[task], min_probability=0.9, silence_db=-60.0)
    without_abstention = doubting.without_abstention.decide(drawn, np.full(50, -100.0))
    assert without_abstention.is_decided.all()
    plain = DecisionRule(task, TASKS[task]).decide(drawn)
    np.testing.assert_array_equal(without_abstention.chosen, plain.chosen)


def test_confidence_is_that_of_the_choice_whatever_the_threshold():
    decided = DecisionRule(BINARY, (0.9,)).decide(np.array([[1.0], [5.0]]))
    first, second = decided.probabilities
    assert decided.confidence.tolist() == [first[0], second[1]]
    several = DecisionRule(MULTI_LABEL, (0.5, 0.5)).decide(np.array([[2.0, -1.0]]))
    assert several.confidence[0] == pytest.approx(1 / (1 + np.exp(-1)))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_silence_has_no_label_however_confident_the_network_is(task):
    rule = DecisionRule(task, TASKS[task], min_probability=0.5, silence_db=-80.0)
    drawn = np.full((3, task.num_outputs(3)), 9.0)
    drawn[:, 0] = 20.0
    decided = rule.decide(drawn, np.array([-80.0, -81.0, -200.0]))
    assert decided.abstained == (None, "silence", "silence")
    assert not decided.chosen[1:].any()
    assert decided.is_decided.tolist() == [True, False, False]
    assert rule.decide(drawn).abstained == (None, None, None)


def test_at_the_lowest_level_digital_silence_has_a_label():
    rule = DecisionRule(BINARY, (0.5,), silence_db=-200.0)
    assert rule.decide(np.array([[3.0]]), np.array([-200.0])).abstained == (None,)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_silence_with_a_label_gets_it_for_certain(task, rng):
    num_labels = 2 if task is BINARY else 3
    rule = DecisionRule(
        task, TASKS[task], min_probability=0.99, silence_db=-80.0, silence_label=num_labels - 1
    )
    logits = rng.normal(0, 1, (4, task.num_outputs(num_labels)))
    levels_db = np.array([-100.0, -20.0, -80.0, -200.0])
    decided, plain = rule.decide(logits, levels_db), rule.decide(logits)
    for row in (0, 3):
        assert decided.probabilities[row].tolist() == [0.0] * (num_labels - 1) + [1.0]
        assert np.flatnonzero(decided.chosen[row]).tolist() == [num_labels - 1]
        assert decided.abstained[row] is None
        assert decided.confidence[row] == 1.0
    np.testing.assert_array_equal(decided.probabilities[1:3], plain.probabilities[1:3])
    assert decided.abstained[1:3] == plain.abstained[1:3]


def test_silence_keeps_its_label_without_abstention():
    rule = DecisionRule(MULTI_CLASS, (), silence_db=-80.0, silence_label=0, min_probability=0.9)
    decided = rule.without_abstention.decide(
        np.array([[0.0, 9.0], [0.0, 0.1]]), np.array([-99.0, 0.0])
    )
    assert list(decided.indices()) == [(0,), (1,)]


@pytest.mark.parametrize(
    ("task", "drawn", "answers"),
    [
        (BINARY, [[-3.0], [3.0], [0.1]], [(), (1,), ()]),
        (MULTI_CLASS, [[3.0, 0.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.1, 1.0]], [(), (2,), ()]),
    ],
    ids=["binary", "multi_class"],
)
def test_the_background_is_never_predicted(task, drawn, answers):
    rule = DecisionRule(task, TASKS[task], min_probability=0.6, background=0)
    decided = rule.decide(np.array(drawn))
    assert list(decided.indices()) == answers
    assert decided.abstained == ("background", None, "unsure")
    assert decided.is_decided.tolist() == [True, True, False]
    assert decided.outcomes[:, 0].tolist() == [True, False, True]
    # The confidence is that of the background where it wins.
    assert decided.confidence[0] == decided.probabilities[0, 0]


def test_no_label_is_right_for_the_background_whatever_the_reason():
    rule = DecisionRule(BINARY, (0.5,), min_probability=0.6, silence_db=-80.0, background=0)
    decided = rule.decide(np.array([[-3.0], [3.0], [0.1], [3.0]]), np.array([-20.0, -99, -20, -20]))
    assert decided.abstained == ("background", "silence", "unsure", None)
    background, other = np.array([[1.0, 0.0]] * 4), np.array([[0.0, 1.0]] * 4)
    assert decided.correct(background).tolist() == [True, True, True, False]
    assert decided.correct(other).tolist() == [False, False, False, True]


def test_a_rule_without_abstention_takes_the_background_for_a_label():
    rule = DecisionRule(BINARY, (0.5,), min_probability=0.9, background=0)
    decided = rule.without_abstention.decide(np.array([[-1.0], [1.0]]))
    assert list(decided.indices()) == [(0,), (1,)]
    np.testing.assert_array_equal(decided.outcomes, decided.chosen)


def test_silence_with_the_label_of_the_background_has_no_label():
    rule = DecisionRule(BINARY, (0.5,), silence_db=-80.0, silence_label=0, background=0)
    decided = rule.decide(np.array([[3.0]]), np.array([-99.0]))
    assert (decided.abstained, decided.chosen.any()) == (("background",), False)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_sound_unlike_training_has_no_label_and_silence_comes_first(task, rng):
    drawn = rng.normal(0, 3, (4, task.num_outputs(3)))
    rule = DecisionRule(task, TASKS[task], min_probability=0.9, silence_db=-80.0, max_novelty=2.0)
    levels_db, novelty = np.array([-90.0, -20.0, -20.0, -20.0]), np.array([9.0, 9.0, 2.0, 1.0])
    decided = rule.decide(drawn, levels_db, novelty)
    assert decided.abstained[:2] == ("silence", "unlike_training")
    assert "unlike_training" not in decided.abstained[2:]
    assert not decided.chosen[:2].any()
    np.testing.assert_array_equal(decided.novelty, novelty)
    assert rule.without_abstention.decide(drawn, levels_db, novelty).is_decided.all()
    assert "unlike_training" not in rule.decide(drawn, levels_db).abstained


def test_silence_with_a_label_has_this_label_however_unlike_training_it_is():
    rule = DecisionRule(MULTI_CLASS, (), silence_db=-80.0, silence_label=1, max_novelty=2.0)
    decided = rule.decide(np.zeros((1, 3)), np.array([-90.0]), np.array([9.0]))
    assert decided.abstained == (None,)
    assert list(decided.indices()) == [(1,)]
