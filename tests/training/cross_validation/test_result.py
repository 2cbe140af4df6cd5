"""Metrics of a cross-validation: pooled folds, and seeds that do not add clips."""

import csv
import io
import json
import statistics

import numpy as np
import pytest

from earmark.data.content import Clip
from earmark.evaluation.metrics.intervals import wilson_interval
from earmark.evaluation.metrics.scores import Predictions, score
from earmark.evaluation.metrics.subsets import ExcerptScores
from earmark.features.store import ClipKey
from earmark.tasks.task import BINARY, MULTI_LABEL
from earmark.training.cross_validation.fold_result import FoldFailure, FoldResult
from earmark.training.cross_validation.result import CrossValidation

CLIPS = {f"{n}.wav": Clip(f"{n}.wav", ClipKey(f"key{n}"), (n % 2,), f"g{n}") for n in range(6)}
RIGHT = {name: 3.0 if clip.targets == (1,) else -3.0 for name, clip in CLIPS.items()}


def fold(number, seed=0, wrong=(), **facts):
    """Fold 1 holds the clips 0 and 1, and so on; all predictions are correct but those named."""
    names = tuple(f"{n}.wav" for n in (2 * number - 2, 2 * number - 1))
    logits = tuple((RIGHT[name] * (-1 if name in wrong else 1),) for name in names)
    num_correct = sum(name not in wrong for name in names)
    chosen = tuple((int(logit > 0),) for (logit,) in logits)
    return FoldResult(
        seed, str(number), names, num_correct, logits, chosen, 1, 2.5, ({"epoch": 1},), **facts
    )


def pooled(*results, **facts):
    return CrossValidation(BINARY, ("music", "speech"), CLIPS, results, **facts)


def three_folds(seed=0, wrong=()):
    return [fold(number, seed, wrong) for number in (1, 2, 3)]


def test_one_seed_has_the_metrics_of_all_predictions_together():
    found = pooled(*three_folds(wrong=["3.wav"]))
    logits = np.array([[RIGHT[name] * (-1 if name == "3.wav" else 1)] for name in CLIPS])
    expected = score(Predictions(tuple(CLIPS.values()), logits), ("music", "speech"))
    assert found.seed_scores == {0: expected}
    facts = found.to_dict()
    for key in ("num_clips", "num_correct", "num_groups", "accuracy", "accuracy_interval", "loss"):
        assert facts[key] == expected.to_dict()[key]
    assert facts["num_predictions"] == facts["num_clips"] == 6
    assert facts["accuracy_std"] is None


def test_each_fold_has_its_own_metrics_and_their_mean():
    facts = pooled(*three_folds(wrong=["3.wav"])).to_dict()
    assert [one["accuracy"] for one in facts["folds"]] == [1.0, 0.5, 1.0]
    assert facts["mean_fold_accuracy"] == pytest.approx(2.5 / 3)
    assert facts["folds"][0] == {
        "seed": 0,
        "fold": "1",
        "num_clips": 2,
        "num_correct": 2,
        "accuracy": 1.0,
        "loss": pytest.approx(np.log1p(np.exp(-3))),
        "best_epoch": 1,
        "epochs": 1,
        "elapsed_seconds": 2.5,
    }


def test_more_seeds_do_not_narrow_the_interval():
    once = pooled(*three_folds(0, ["3.wav"]))
    twice = pooled(*three_folds(0, ["3.wav"]), *three_folds(1, ["3.wav"]))
    assert twice.accuracy_interval == once.accuracy_interval == wilson_interval(5 / 6, 6.0, 0.95)
    facts = twice.to_dict()
    assert (facts["num_clips"], facts["num_predictions"], facts["num_correct"]) == (6, 12, 10)


def test_seeds_that_differ_have_a_mean_and_a_deviation():
    facts = pooled(*three_folds(0, ["3.wav"]), *three_folds(1)).to_dict()
    assert [one["accuracy"] for one in facts["seeds"]] == [5 / 6, 1.0]
    assert facts["accuracy"] == pytest.approx(11 / 12)
    assert facts["accuracy_mean"] == pytest.approx(11 / 12)
    assert facts["accuracy_std"] == pytest.approx(statistics.stdev([5 / 6, 1.0]))


def test_clips_of_one_group_count_for_less_whatever_the_seeds():
    clips = {name: Clip(name, one.key, one.targets, "same") for name, one in CLIPS.items()}
    results = [*three_folds(0, ["3.wav"]), *three_folds(1)]
    found = CrossValidation(BINARY, ("music", "speech"), clips, tuple(results))
    assert found.accuracy_interval == wilson_interval(11 / 12, 1.0, 0.95)


def test_errors_are_grouped_by_clip_and_the_most_often_wrong_come_first():
    wrong_once = three_folds(0, ["1.wav", "4.wav"])
    errors = pooled(*wrong_once, *three_folds(1, ["4.wav"])).errors()
    assert [(one["path"], one["num_wrong"], one["num_seeds"]) for one in errors] == [
        ("4.wav", 2, 2),
        ("1.wav", 1, 2),
    ]
    assert errors[0] == {
        "path": "4.wav",
        "label": "music",
        "predicted": "speech",
        "probability": pytest.approx(1 / (1 + np.exp(-3))),
        "fold": "3",
        "num_wrong": 2,
        "num_seeds": 2,
    }


def test_every_fold_keeps_its_predicted_labels():
    clips = {f"{n}.wav": Clip(f"{n}.wav", ClipKey(f"k{n}"), (0, 1)) for n in range(2)}
    results = tuple(
        FoldResult(0, str(n), (f"{n}.wav",), 1 - n, ((0.5, 1.0),), (chosen,), 1, 1.0, ())
        for n, chosen in enumerate([(0, 1), (1,)])
    )
    found = CrossValidation(MULTI_LABEL, ("music", "speech"), clips, results)
    facts = found.to_dict()
    assert facts["num_correct"] == 1
    assert facts["micro_f1"] == pytest.approx(6 / 7)
    assert {"map", "lwlrap"} <= set(facts) & set(facts["folds"][0])
    (error,) = facts["errors"]
    assert (error["path"], error["label"], error["predicted"]) == (
        "1.wav",
        "music;speech",
        "speech",
    )
    assert error["probability"] == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_a_clip_without_any_predicted_label_has_no_probability():
    clips = {"a.wav": Clip("a.wav", ClipKey("k"), (0,))}
    result = FoldResult(0, "1", ("a.wav",), 0, ((-2.0, -2.0),), ((),), 1, 1.0, ())
    (error,) = CrossValidation(MULTI_LABEL, ("music", "speech"), clips, (result,)).errors()
    assert (error["predicted"], error["probability"]) == ("", None)


def test_a_clip_without_a_group_is_its_own_group():
    clips = {name: Clip(name, one.key, one.targets) for name, one in CLIPS.items()}
    found = CrossValidation(BINARY, ("music", "speech"), clips, (fold(1), fold(2)))
    assert found.to_dict()["num_groups"] == 4
    assert found.score(found.results).num_groups == 4


def test_it_shows_itself_in_a_terminal_and_in_a_notebook():
    found = pooled(*three_folds(wrong=["3.wav"]), failures=(FoldFailure(1, "1", "no memory"),))
    assert repr(found).startswith("CrossValidation(")
    assert "5 of 6" in repr(found)
    assert found._repr_html_().count("<tr>") == 4


def test_excerpts_are_summed_over_folds():
    found = pooled(
        fold(1, excerpts=ExcerptScores(1.0, 10, 9, 0.2)),
        fold(2, excerpts=ExcerptScores(1.0, 30, 21, 0.6)),
    )
    assert (found.excerpts.num_excerpts, found.excerpts.num_correct) == (40, 30)
    assert found.excerpts.loss == pytest.approx(0.5)
    assert found.to_dict()["excerpts"]["accuracy"] == 0.75


def test_the_table_has_a_row_a_clip_and_seed():
    found = pooled(*three_folds(0, ["3.wav"]), *three_folds(1))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [(row["seed"], row["path"]) for row in rows] == [
        (str(seed), name) for seed in (0, 1) for name in CLIPS
    ]
    assert [row["path"] for row in rows if row["correct"] == "no"] == ["3.wav"]
    assert rows[3]["fold"] == "2"
    assert float(rows[3]["music"]) == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)


def test_a_fold_is_written_and_read_back_exactly():
    result = fold(1, excerpts=ExcerptScores(1.0, 10, 9, 0.1 + 0.2))
    assert FoldResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_failed_folds_are_named_and_the_others_counted():
    failure = FoldFailure(0, "3", "the loss is nan")
    facts = pooled(fold(1), fold(2), failures=(failure,)).to_dict()
    assert facts["num_clips"] == 4
    assert facts["failed"] == [{"seed": 0, "fold": "3", "error": "the loss is nan"}]
