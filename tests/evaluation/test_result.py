import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from earmark.config import EvaluateConfig
from earmark.data.content import Clip
from earmark.evaluation.baselines import read_predictions
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.evaluation.result import Evaluation
from earmark.features.store import ClipKey
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

NAMES = ("a", "b", "c", "d")
SETTINGS = EvaluateConfig(resamples=200)


def evaluation(task=MULTI_CLASS, seed=0, num_clips=60, **rule):
    rng = np.random.default_rng(seed)
    labels = NAMES[:2] if task is BINARY else NAMES
    logits = rng.normal(0, 2, (num_clips, task.num_outputs(len(labels))))
    chances = task.probabilities(logits)
    if task is MULTI_LABEL:
        targets = [tuple(map(int, np.flatnonzero(rng.random(4) < row))) for row in chances]
    else:
        targets = [(int(rng.choice(len(labels), p=row)),) for row in chances]
    clips = tuple(
        Clip(f"{n}.wav", ClipKey(f"key{n}"), one, f"g{n // 3}") for n, one in enumerate(targets)
    )
    made = DecisionRule(task, task.default_thresholds(len(labels)), **rule)
    return Evaluation(Predictions(clips, logits, task), labels, made, settings=SETTINGS)


every_task = pytest.mark.parametrize(
    "task", [BINARY, MULTI_CLASS, MULTI_LABEL], ids=lambda task: task.name
)


@every_task
def test_metrics_and_areas_of_each_label_agree_with_scikit_learn_and_lie_in_their_intervals(task):
    tested = evaluation(task)
    targets, chosen = tested.predictions.targets, tested.decisions.chosen
    reference = precision_recall_fscore_support(targets, chosen, zero_division=np.nan)
    probabilities = tested.predictions.probabilities
    for index, label in enumerate(tested.labels):
        facts = tested.to_dict()["per_class"][label]
        for name, values in zip(("precision", "recall", "f1"), reference, strict=False):
            assert facts[name] == pytest.approx(values[index])
            low, high = facts[f"{name}_interval"]
            assert low <= facts[name] <= high
        target, probability = targets[:, index], probabilities[:, index]
        assert facts["roc_auc"] == pytest.approx(roc_auc_score(target, probability))
        assert facts["average_precision"] == pytest.approx(
            average_precision_score(target, probability)
        )


@every_task
def test_the_document_is_json_and_keeps_the_names_of_the_contract(task):
    document = json.loads(json.dumps(evaluation(task).to_dict()))
    assert set(document) >= {
        *("num_clips", "num_correct", "accuracy", "accuracy_interval", "loss"),
        *("per_class", "confusion_matrix", "labels", "skipped"),
        *("brier", "ece", "calibration", "decisions", "majority", "bootstrap"),
    }
    for name in ("accuracy", "loss", "brier"):
        low, high = document[f"{name}_bootstrap_interval"]
        assert low <= document[name] <= high


def test_the_temperature_changes_probabilities_and_calibration_but_no_label():
    plain, warm = evaluation(), evaluation(temperature=2.0)
    assert warm.chosen == plain.chosen
    assert warm.scores.confusion == plain.scores.confusion
    before, after = warm.calibrations
    assert before == plain.calibrations[0] == plain.calibrations[1]
    probabilities = MULTI_CLASS.probabilities(plain.uncalibrated.logits / 2.0)
    expected = log_loss(plain.predictions.targets.argmax(axis=1), probabilities)
    assert after.loss == warm.scores.loss == pytest.approx(expected)


def test_an_abstained_clip_is_an_error_and_in_no_column_of_the_confusion_matrix():
    sure, unsure = evaluation(), evaluation(min_probability=0.7)
    document = unsure.to_dict()
    decided = unsure.decisions.confidence >= 0.7
    assert (
        document["decisions"]["num_decided"]
        == decided.sum()
        == np.sum(document["confusion_matrix"])
    )
    assert document["decisions"]["num_unsure"] == (~decided).sum() > 0
    assert document["num_correct"] == (sure.correct & decided).sum()
    assert document["decisions"]["accuracy"] == pytest.approx(sure.correct[decided].mean())
    # The curve asks what would be if more or fewer were decided, whatever the setting.
    at = np.searchsorted(unsure.coverage.curve.x, decided.mean())
    assert unsure.coverage.curve.y[at] == pytest.approx(sure.correct[decided].mean())
    assert unsure.coverage.curve.y[-1] == pytest.approx(sure.scores.accuracy)


def test_silence_is_correct_in_a_multi_label_task_for_clips_without_a_label():
    tested = evaluation(MULTI_LABEL, silence_db=-80.0)
    tested = replace(tested, levels_db=np.full(60, -90.0))
    has_none = ~tested.predictions.targets.any(axis=1)
    np.testing.assert_array_equal(tested.correct, has_none)
    assert tested.coverage.num_silent == 60
    assert tested.coverage.to_dict()["accuracy"] is None


def test_rows_have_the_reason_for_abstaining():
    tested = evaluation(min_probability=0.7, silence_db=-80.0)
    levels_db = np.where(np.arange(60) == 0, -90.0, -20.0)
    rows = list(csv.DictReader(io.StringIO(replace(tested, levels_db=levels_db).to_csv())))
    assert rows[0]["abstained"] == "silence"
    for row in rows[1:]:
        top = max(float(row[label]) for label in NAMES)
        assert row["abstained"] == ("unsure" if top < 0.7 else "")
        assert bool(row["predicted"]) == (top >= 0.7)


def test_the_majority_is_that_of_training_or_else_of_the_test():
    tested = evaluation()
    counts = tested.predictions.targets.sum(axis=0)
    own = tested.majority
    assert own.to_dict()["accuracy"] == pytest.approx(counts.max() / 60)
    assert own.to_dict()["from"] == "test"
    known = replace(tested, majority_labels=("b",)).majority
    assert known.labels == ("b",)
    assert known.to_dict()["accuracy"] == pytest.approx(counts[1] / 60)
    assert known.to_dict()["from"] == "training"


@pytest.fixture
def stored(tmp_path):
    def write(tested, change=lambda text: text):
        path = tmp_path / "predictions.csv"
        path.write_text(change(tested.to_csv()))
        return read_predictions(path)

    return write


@every_task
def test_stored_predictions_are_compared_clip_by_clip(task, stored):
    tested = evaluation(task)
    unsure = replace(tested, rule=replace(tested.rule, min_probability=0.9))
    against_itself = tested.with_baseline(stored(tested)).to_dict()["baseline"]
    assert against_itself["difference"] == 0.0
    found = tested.with_baseline(stored(unsure)).to_dict()["baseline"]
    assert found["num_correct"] == unsure.scores.num_correct
    assert found["mcnemar"]["num_only_first"] == (tested.correct & ~unsure.correct).sum()
    assert found["missing"] == []


def test_some_clips_of_a_test_keep_their_decisions():
    tested = evaluation(min_probability=0.7)
    some = tested.only({"3.wav", "5.wav"})
    assert some.chosen == (tested.chosen[3], tested.chosen[5])
    assert some.scores.num_clips == 2


def test_a_part_of_a_test_has_its_own_digest_and_no_metrics_over_excerpts(tested):
    everything = replace(tested.evaluation, excerpts=ExcerptScores(0.5, 40, 30, 0.4))
    names = {clip.name for clip in everything.predictions.clips}
    assert everything.only(names).to_dict() == everything.to_dict()
    some = everything.only(names - {"0.wav"})
    assert some.excerpts is None
    digests = {one.provenance.data_digest for one in (everything, some)}
    assert len(digests) == 2
    assert replace(some.provenance, data_digest="") == replace(
        everything.provenance, data_digest=""
    )


@pytest.mark.parametrize(
    ("task", "thresholds", "source"),
    [
        (BINARY, (0.5,), "default"),
        (MULTI_LABEL, (0.5,) * 4, "default"),
        (MULTI_LABEL, (0.5, 0.3, 0.5, 0.5), "validation"),
        (MULTI_CLASS, (), None),
    ],
)
def test_the_document_says_where_the_thresholds_come_from(task, thresholds, source):
    tested = evaluation(task)
    tested = replace(tested, rule=replace(tested.rule, thresholds=thresholds))
    assert tested.to_dict().get("thresholds_from") == source


def test_a_test_shows_accuracy_interval_and_baseline():
    tested = evaluation()
    text = repr(tested)
    assert f"{tested.scores.num_correct} of 60" in text
    assert "95%" in text
    assert tested.majority.headline in text


def test_a_notebook_shows_the_confusion_matrix_escaped():
    tested = replace(evaluation(), labels=("<a>", "b", "c", "d"))
    page = tested._repr_html_()
    assert "&lt;a&gt;" in page
    assert "<a>" not in page
    assert page.count("<tr>") == 5
    assert "<table>" not in evaluation(MULTI_LABEL)._repr_html_()
