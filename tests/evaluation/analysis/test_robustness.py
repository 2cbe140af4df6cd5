from dataclasses import replace

import numpy as np
import pytest

from earmark.audio.effects import apply_gain
from earmark.evaluation.analysis import robustness
from earmark.evaluation.analysis.conditions import Condition, list_conditions
from earmark.evaluation.analysis.robustness import measure_robustness

FEW = (
    "as recorded",
    "20 dB softer",
    "white noise, 0 dB",
    "babble, 10 dB",
    "1 s excerpt",
)


@pytest.fixture
def few(monkeypatch):
    """A few of the conditions, for speed."""
    chosen = tuple(one for one in list_conditions() if one.name in FEW)
    monkeypatch.setattr(robustness, "list_conditions", lambda: chosen)
    return chosen


def measure(tested, *, predictions=None, recordings=None, settings=()):
    checkpoint = tested.checkpoint.adjust(settings)
    return measure_robustness(
        replace(tested.model, checkpoint=checkpoint),
        predictions or tested.evaluation.predictions,
        recordings or tested.recordings,
    )


def test_unchanged_sound_has_the_metrics_of_the_test(tested, few):
    found = measure(tested).conditions[0]
    scores = tested.evaluation.scores
    assert found.condition == "as recorded"
    assert (found.num_clips, found.num_groups) == (scores.num_clips, scores.num_groups)
    assert found.num_correct == scores.num_correct
    assert found.accuracy_interval == scores.accuracy_interval
    assert found.loss == pytest.approx(scores.loss, rel=1e-4)
    assert found.num_lost == found.num_gained == 0


def test_lost_and_gained_clips_make_the_difference(tested, few):
    found = measure(tested).conditions
    assert [one.condition for one in found] == list(FEW)
    for one in found[:-1]:
        assert one.num_correct == found[0].num_correct - one.num_lost + one.num_gained
        assert one.to_dict()["accuracy"] == one.num_correct / one.num_clips


def test_excerpts_are_of_longer_clips_only(tested, few):
    excerpts = measure(tested).conditions[-1]
    # Of 1.2, 2 and 12 s; the others last 0.6 s.
    assert excerpts.num_clips == 7


def test_random_numbers_depend_only_on_the_seed_of_the_settings_and_the_name(tested, few):
    whole = measure(tested)
    assert measure(tested).to_dict() == whole.to_dict()
    other = measure(tested, settings=["evaluate.seed=1"])
    assert other.conditions[0] == whole.conditions[0]
    assert other.conditions[2].loss != whole.conditions[2].loss
    predictions = tested.evaluation.predictions
    some = replace(predictions, clips=predictions.clips[:1], logits=predictions.logits[:1])
    rest = replace(predictions, clips=predictions.clips[1:], logits=predictions.logits[1:])
    # Without babble, which takes its voices from all clips.
    parts = [measure(tested, predictions=one).conditions for one in (some, rest)]
    noise = [next(one for one in part if one.condition == FEW[2]) for part in parts]
    together = sum(one.loss * one.num_clips for one in noise) / len(predictions.clips)
    assert together == pytest.approx(whole.conditions[2].loss, rel=1e-6)


def test_a_missing_file_is_reported_and_skipped(tested, few):
    recordings = dict(tested.recordings)
    recordings["1.wav"] = replace(recordings["1.wav"], path=recordings["1.wav"].path / "gone.wav")
    found = measure(tested, recordings=recordings)
    assert [one.path for one in found.skipped] == ["1.wav"]
    assert found.conditions[0].num_clips == len(tested.recordings) - 1
    assert found.to_dict()["skipped"][0]["path"] == "1.wav"


def test_only_the_start_of_a_long_clip_is_used(tested, monkeypatch):
    lengths = []

    def note(sound):
        lengths.append(len(sound.samples))
        return sound.samples

    monkeypatch.setattr(robustness, "MAX_SECONDS", 1.0)
    monkeypatch.setattr(robustness, "list_conditions", lambda: (Condition("as recorded", note),))
    measure(tested)
    assert max(lengths) == 16_000
    assert min(lengths) < 16_000


def test_a_condition_that_silences_the_sound_leaves_nothing_correct(tested, monkeypatch):
    def ruin(sound):
        return apply_gain(sound.samples, -200.0)

    both = (list_conditions()[0], Condition("silence", ruin))
    monkeypatch.setattr(robustness, "list_conditions", lambda: both)
    silent = measure(tested).conditions[1]
    # The model abstains on silence, so no clip is correct.
    assert silent.num_correct == 0
    assert np.isfinite(silent.loss)
