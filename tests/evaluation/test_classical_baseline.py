"""The classical baseline of a run: which clips it is fitted on, and what it does without them."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from earmark.data.manifest import read_manifest
from earmark.errors import DataError
from earmark.evaluation import classical_baseline
from earmark.evaluation.classical_baseline import (
    ClassicalPredictions,
    compare_classical,
    evaluate_classical,
    predict_classical,
    run_clips,
    validate_classical,
)
from earmark.evaluation.evaluate import evaluate_checkpoint
from earmark.features.store import FeatureStore
from earmark.models.checkpoint import load_checkpoint
from earmark.models.run_folder import RunFolder
from earmark.system.runtime import Runtime

CPU = Runtime(torch.device("cpu"))


@pytest.fixture
def run(write_run, sound_folder):
    return write_run(sound_folder)


@pytest.fixture
def spec(run):
    return load_checkpoint(run).spec


@pytest.fixture
def evaluation(run, store, sound_folder):
    manifest = read_manifest(sound_folder)
    return evaluate_checkpoint(
        load_checkpoint(run), manifest, runtime=CPU, store_root=store, run=run
    )


@pytest.fixture
def fits(monkeypatch):
    """The number of clips of each fit."""
    counts = []

    def fit(statistics, *facts):
        counts.append(len(statistics))
        return original(statistics, *facts)

    original = classical_baseline.fit_classical
    monkeypatch.setattr(classical_baseline, "fit_classical", fit)
    return counts


def write_validation(run, wrong=()):
    folder = RunFolder(run)
    rows = ["path,label,predicted,correct,abstained"]
    for row in folder.read_recordings():
        if row["split"] == "validation":
            predicted = (
                "speech" if row["label"] == "music" and row["name"] in wrong else row["label"]
            )
            rows.append(f"{row['name']},{row['label']},{predicted},,")
    folder.validation.write_text("\n".join(rows) + "\n")


def test_clips_are_those_of_the_record(run, spec):
    clips = run_clips(RunFolder(run), spec, ("train",))
    assert len(clips) == 12
    assert {clip.targets for clip in clips} == {(0,), (1,)}
    assert len(run_clips(RunFolder(run), spec, ("train", "validation"))) == 18


def test_a_record_with_other_labels_is_damaged(run, spec):
    with pytest.raises(DataError, match=r"recordings\.csv"):
        run_clips(RunFolder(run), replace(spec, labels=("music", "noise")), ("train",))


def test_in_a_multi_label_task_clips_of_the_background_have_no_label(run, spec):
    config = spec.config.with_train(background_label="speech")
    clips = run_clips(RunFolder(run), replace(spec, labels=("music",), config=config), ("train",))
    assert {clip.targets for clip in clips} == {(0,), ()}


def test_a_test_fits_on_training_and_validation_and_predicts_the_test(
    evaluation, spec, run, store, fits
):
    found = evaluate_classical(evaluation, spec, run, store)
    assert fits == [18]
    assert (found.reason, found.num_train_clips, found.num_available) == ("", 18, 18)
    assert found.correct == (True,) * 6
    compared = compare_classical(found, evaluation, "classic")
    facts = compared.to_dict()
    assert facts["num_correct"] == facts["num_clips"] == 6
    assert facts["mcnemar"]["p_value"] == facts["p_value"]
    assert compared.paired.num_correct[0] == evaluation.scores.num_correct
    assert compared.recipe == "classic"


def test_results_survive_json(evaluation, spec, run, store):
    found = evaluate_classical(evaluation, spec, run, store)
    again = ClassicalPredictions.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    assert again.summary() == {"num_correct": 6, "accuracy": 1.0}


def test_without_a_run_folder_the_reason_is_in_the_result(evaluation, spec, store):
    found = evaluate_classical(evaluation, spec, None, store)
    assert found.reason
    compared = compare_classical(found, evaluation, "classic")
    assert compared.paired is None
    assert compared.to_dict()["reason"] == found.reason
    assert found.reason in compared.headline
    assert found.summary() == {"reason": found.reason}


def test_without_the_features_the_reason_names_the_store(evaluation, spec, run, store):
    shutil.rmtree(store)
    found = evaluate_classical(evaluation, spec, run, store)
    assert str(store) in found.reason


def test_a_damaged_record_is_a_reason(evaluation, spec, run, store):
    RunFolder(run).recordings.write_text("name\n")
    assert "recordings.csv" in evaluate_classical(evaluation, spec, run, store).reason


def test_clips_that_cannot_be_told_apart_are_a_reason(spec, run, store):
    clips = run_clips(RunFolder(run), spec, ("train",))
    music = [clip for clip in clips if clip.targets == (0,)]
    opened = FeatureStore(store, spec.config.features)
    assert predict_classical(music, clips, spec, opened).reason
    assert predict_classical([], clips, spec, opened).reason


def test_validation_clips_are_not_fitted_on(run, spec, store, fits):
    names = [one.name for one in run_clips(RunFolder(run), spec, ("validation",))]
    write_validation(run, wrong=names)
    found = validate_classical(RunFolder(run), spec, {}, store)
    assert fits == [12]
    assert found.paired.num_correct == (3, 6)
    assert found.paired.test.num_only_second == 3
    facts = found.to_dict()
    assert (facts["num_clips"], facts["difference"]) == (6, -0.5)


def test_without_predictions_of_the_validation_clips_nothing_is_compared(run, spec, store):
    assert "validation.csv" in validate_classical(RunFolder(run), spec, {}, store).reason


@pytest.mark.parametrize("predicted", ["", "music"], ids=["none", "itself"])
def test_the_background_is_correct_where_no_label_or_it_is_predicted(run, spec, store, predicted):
    write_validation(run)
    text = RunFolder(run).validation.read_text()
    RunFolder(run).validation.write_text(text.replace(",music,music,", f",music,{predicted},"))
    config = spec.config.with_train(background_label="music")
    found = validate_classical(RunFolder(run), replace(spec, config=config), {}, store)
    assert found.paired.num_correct == (6, 6)


def test_average_precision_is_that_of_the_outputs(spec, run):
    clips = run_clips(RunFolder(run), spec, ("validation",))
    logits = tuple((3.0, -3.0) if clip.targets == (0,) else (-3.0, 3.0) for clip in clips)
    found = ClassicalPredictions(logits=logits)
    assert found.mean_average_precision(clips, spec.labels) == 1.0
    same = ClassicalPredictions(logits=((0.0, 0.0),) * 6)
    assert same.mean_average_precision(clips, spec.labels) == pytest.approx(0.5)
