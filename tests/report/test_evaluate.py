import json

import pytest
import torch

from earmark.data.manifest import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.evaluation.analysis.robustness import Robustness
from earmark.models.checkpoint import Checkpoint
from earmark.report.evaluate import Extras, TestReport, evaluate
from earmark.system.runtime import Runtime

CONTRACT = {
    *("num_clips", "num_correct", "accuracy", "accuracy_interval", "loss"),
    *("per_class", "confusion_matrix", "labels", "skipped"),
}


@pytest.fixture
def test(tmp_path):
    def run(model, data, **options):
        return evaluate(model, data, device="cpu", store=tmp_path / "store", **options)

    return run


def test_a_test_is_analysed_and_reported_in_the_run_folder(test, write_run, sound_folder):
    run = write_run(sound_folder)
    found = test(str(run), str(sound_folder))
    assert found.report == run / "report.html"
    assert found.report.exists()
    assert (run / "model_card.md").exists()
    assert (run / "predictions.csv").read_text() == found.evaluation.to_csv()
    assert found.accuracy == found.evaluation.scores.accuracy
    document = json.loads(json.dumps(found.to_dict()))
    assert set(document) >= CONTRACT | {"slices", "worst_clips", "provenance", "majority"}
    assert "robustness" not in document


@pytest.mark.usefixtures("quick_report")
def test_the_output_folder_is_made(test, write_run, sound_folder, tmp_path):
    run = write_run(sound_folder)
    output = tmp_path / "new" / "folder"
    assert test(run, sound_folder, output=output).report == output / "report.html"
    assert not (run / "report.html").exists()


@pytest.mark.usefixtures("quick_report")
def test_other_weights_do_not_replace_the_report_of_the_best(
    test, write_run, sound_folder, tmp_path
):
    run = write_run(sound_folder)
    last = run / "last.safetensors"
    last.write_bytes((run / "best.safetensors").read_bytes())
    assert test(last, sound_folder).report is None
    assert not (run / "report.html").exists()
    assert test(last, sound_folder, output=tmp_path / "other").report.exists()
    assert test(run / "best.safetensors", sound_folder).report == run / "report.html"


def test_a_model_file_in_its_run_folder_knows_what_it_was_trained_on(test, write_run, sound_folder):
    run = write_run(sound_folder)
    known = next((sound_folder / "training" / "music").iterdir())
    (sound_folder / "testing" / "music" / "leak.wav").write_bytes(known.read_bytes())
    with pytest.raises(DataError, match=r"leak\.wav"):
        test(run / "best.safetensors", sound_folder)


@pytest.mark.usefixtures("quick_report")
def test_a_baseline_is_read_before_the_report_replaces_it(test, write_run, sound_folder):
    run = write_run(sound_folder)
    first = test(run, sound_folder)
    extras = Extras(baseline=run / "predictions.csv")
    settings = ["predict.min_probability=0.999"]
    found = test(run, sound_folder, extras=extras, settings=settings).evaluation
    assert found.baseline.paired.num_correct == (0, first.evaluation.scores.num_correct)


def test_a_missing_baseline_is_refused_before_the_test(
    test, write_run, sound_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.report.evaluate.evaluate_model", pytest.fail)
    with pytest.raises(DataError, match=r"none\.csv"):
        test(write_run(sound_folder), sound_folder, extras=Extras(baseline=tmp_path / "none.csv"))


@pytest.mark.usefixtures("quick_report")
def test_robustness_is_measured_on_request(test, write_run, sound_folder, as_recorded, monkeypatch):
    monkeypatch.setattr(
        "earmark.evaluation.analysis.analyze.measure_robustness",
        lambda *_: Robustness((as_recorded,), ()),
    )
    found = test(write_run(sound_folder), sound_folder, extras=Extras(robustness=True))
    assert found.to_dict()["robustness"]["conditions"][0]["condition"] == "as recorded"


def test_settings_of_training_cannot_change(test, write_run, sound_folder):
    with pytest.raises(ConfigError, match=r"features\.n_mels"):
        test(write_run(sound_folder), sound_folder, settings=["features.n_mels=20"])


@pytest.mark.usefixtures("quick_report")
def test_the_network_is_built_once(test, write_run, sound_folder, monkeypatch):
    run = write_run(sound_folder)
    built = []
    build = Checkpoint.build

    def count(self):
        built.append(self)
        return build(self)

    monkeypatch.setattr(Checkpoint, "build", count)
    test(run, sound_folder)
    assert len(built) == 1


def test_only_the_first_process_analyses_and_writes(write_run, sound_folder, tmp_path, monkeypatch):
    run = write_run(sound_folder)
    monkeypatch.setattr("earmark.report.evaluate.analyze", pytest.fail)
    second = Runtime(torch.device("cpu"), rank=1)
    found = evaluate(run, read_manifest(sound_folder), device=second, store=tmp_path / "store")
    assert (found.analysis, found.report) == (None, None)
    assert set(found.to_dict()) >= CONTRACT


def test_a_test_shows_its_headline_and_confusion_matrix(tested, tmp_path):
    found = TestReport(tested.evaluation, None, tmp_path / "report.html")
    assert repr(found).startswith(tested.evaluation.headline)
    assert str(tmp_path / "report.html") in repr(found)
    assert found._repr_html_().count("<tr>") == 1 + len(tested.evaluation.labels)
