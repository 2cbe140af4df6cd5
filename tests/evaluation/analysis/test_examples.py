import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from earmark.config import Config
from earmark.data.content import Clip
from earmark.evaluation.analysis.examples import (
    MAX_SECONDS,
    NUM_MOST_CONFIDENT,
    NUM_WORST,
    ExampleMaker,
    choose_examples,
    rank_clips,
)
from earmark.evaluation.loaded_model import LoadedModel
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey, FeatureStore
from earmark.models.checkpoint import new_network
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import MULTI_CLASS, MULTI_LABEL


def make_evaluation(logits, targets, labels, task=MULTI_CLASS):
    clips = tuple(
        Clip(f"{index}.wav", ClipKey(f"{index}"), target) for index, target in enumerate(targets)
    )
    rule = DecisionRule(task, task.default_thresholds(len(labels)))
    return Evaluation(Predictions(clips, np.array(logits, float), task), labels, rule)


def test_the_largest_loss_comes_first():
    evaluation = make_evaluation(
        [[3, 0, 0], [0, 3, 0], [1, 0, 0]], [(0,), (0,), (0,)], ("a", "b", "c")
    )
    ranked = rank_clips(evaluation)
    assert [one.name for one in ranked] == ["1.wav", "2.wav", "0.wav"]
    assert [one.correct for one in ranked] == [False, True, True]
    assert (ranked[0].label, ranked[0].predicted) == ("a", "b")
    assert ranked[0].loss == pytest.approx(np.log(np.exp(3) + 2))
    assert ranked[0].to_dict()["path"] == "1.wav"


def test_an_abstained_clip_has_a_reason():
    evaluation = make_evaluation([[3, 0, 0], [0.1, 0, 0]], [(0,), (0,)], ("a", "b", "c"))
    unsure = replace(evaluation, rule=replace(evaluation.rule, min_probability=0.9))
    first = rank_clips(unsure)[0]
    assert (first.predicted, first.abstained, first.correct) == ("", "unsure", False)


def test_the_most_confident_are_correct_and_of_each_label_in_turn():
    targets = [(0,)] * 10 + [(1,)] * 5 + [(2,)] * 5
    logits = [np.eye(3)[target[0]] * (1 + index) for index, target in enumerate(targets)]
    logits[19] = np.eye(3)[0] * 30
    ranked = rank_clips(make_evaluation(logits, targets, ("a", "b", "c")))
    worst, most_confident = choose_examples(ranked)
    assert worst == ranked[:NUM_WORST]
    assert len(most_confident) == NUM_MOST_CONFIDENT
    assert [one.label for one in most_confident] == ["c", "b", "a", "c", "b"]
    assert all(one.correct for one in most_confident)
    assert not {one.name for one in worst} & {one.name for one in most_confident}


@pytest.fixture
def maker(tested):
    store = FeatureStore(tested.store_root, Config().features)
    return ExampleMaker(tested.model, store, tested.recordings)


def example_of(maker, tested, name):
    one = next(one for one in rank_clips(tested.evaluation) if one.name == name)
    return maker.make(one, tested.evaluation.predictions)


@pytest.mark.parametrize(
    ("name", "seconds", "shown"),
    [("0.wav", 0.6, 0.6), ("1.wav", 1.2, 1.0), ("9.wav", 12.0, 7.1), ("both.wav[2.5-4.5 s]", 2, 1)],
)
def test_frames_sound_and_attributions_are_of_the_same_excerpt(maker, tested, name, seconds, shown):
    name = next(one for one in tested.recordings if one.replace(" ", "") == name.replace(" ", ""))
    example = example_of(maker, tested, name)
    assert example.duration_seconds == pytest.approx(seconds, abs=0.03)
    assert len(example.frames) * 0.02 == pytest.approx(shown, abs=0.05)
    assert example.attributions.shape == example.frames.T.shape
    assert example.start_seconds + shown <= seconds + 0.05
    assert example.sound is not None
    decoded = soundfile.info(io.BytesIO(example.sound))
    assert decoded.duration == pytest.approx(shown, abs=0.1)
    assert decoded.duration < MAX_SECONDS


def test_attributions_add_up_to_the_score_minus_that_of_the_baseline(maker, tested):
    for name in ("0.wav", "1.wav", "9.wav"):
        example = example_of(maker, tested, name)
        gap = example.score - example.baseline_score
        assert example.attributions.sum() == pytest.approx(gap, rel=0.05, abs=2e-3)


def test_the_excerpt_is_the_one_with_the_highest_score(maker, tested):
    example = example_of(maker, tested, "9.wav")
    model, length = tested.checkpoint.build(), 51
    frames = FeatureStore(tested.store_root, Config().features)[
        next(one.key for one in tested.evaluation.predictions.clips if one.name == "9.wav")
    ].astype(np.float32)
    count = len(frames) // length
    windows = torch.from_numpy(frames[: count * length].reshape(count, length, 40))
    with torch.no_grad():
        logits = model(windows.transpose(1, 2).unsqueeze(1))[:, 0].numpy()
    sign = 1 if example.question.startswith("tone") else -1
    means = np.convolve(sign * logits, np.ones(7) / 7, "valid")
    assert example.score == pytest.approx(means.max(), abs=1e-4)
    assert round(example.start_seconds / 1.02) == means.argmax()


def test_a_clip_whose_file_is_missing_has_frames_but_no_sound(tested):
    gone = {
        name: replace(one, path=one.path.with_name("gone.wav"))
        for name, one in tested.recordings.items()
    }
    store = FeatureStore(tested.store_root, Config().features)
    maker = ExampleMaker(tested.model, store, gone)
    example = example_of(maker, tested, "1.wav")
    assert example.sound is None
    assert "gone.wav" in example.error
    assert len(example.frames)


@pytest.mark.parametrize(
    ("task", "labels", "targets", "logits", "question"),
    [
        (MULTI_CLASS, ("a", "b", "c"), (0,), [3.0, 1.0, 2.0], "a rather than c"),
        (MULTI_CLASS, ("a", "b", "c"), (1,), [3.0, 1.0, 2.0], "a rather than b"),
        (MULTI_LABEL, ("a", "b", "c"), (0,), [3.0, 1.0, -2.0], "b"),
        (MULTI_LABEL, ("a", "b", "c"), (2,), [-3.0, -1.0, -2.0], "no c"),
    ],
)
def test_the_question_compares_two_labels(tested, task, labels, targets, logits, question):
    spec = replace(tested.checkpoint.spec, labels=labels, task=task)
    checkpoint = replace(tested.checkpoint, spec=spec, model=new_network(spec).state_dict())
    store = FeatureStore(tested.store_root, Config().features)
    clip = replace(tested.evaluation.predictions.clips[0], targets=targets)
    predictions = Predictions((clip,), np.array([logits]), task)
    evaluation = Evaluation(predictions, labels, spec.rule)
    maker = ExampleMaker(LoadedModel.build(checkpoint, tested.runtime), store, tested.recordings)
    assert maker.make(rank_clips(evaluation)[0], predictions).question == question
