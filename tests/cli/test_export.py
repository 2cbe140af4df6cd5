import csv
import json

import pytest


def test_an_exported_run_predicts_as_the_run_does(
    earmark, documents, trained, sound_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 2.5))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 5.0)
    path = tmp_path / "model.onnx"
    written = earmark("export", trained, "-o", path, "--json")
    assert written.exit_code == 0, written.output
    facts = json.loads(written.stdout)
    assert (facts["path"], facts["takes"], facts["num_sounds"]) == (str(path), "waveform", 5)
    assert 0 < facts["largest_difference"] <= 1e-4
    results = [
        documents(earmark("predict", model, sound_folder / "testing", "--json"))
        for model in (trained, path)
    ]
    assert len(results[0]) == 6
    for one, other in zip(*results, strict=True):
        probabilities, others = one.pop("probabilities"), other.pop("probabilities")
        assert one.pop("novelty") == pytest.approx(other.pop("novelty"), rel=1e-3)
        assert one == other
        assert others == pytest.approx(probabilities, abs=1e-4)


def test_an_unknown_target_is_wrong_usage(earmark, tmp_path):
    assert earmark("export", "run", "-o", tmp_path / "model.onnx", "--to", "tape").exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [("--max-accuracy-drop", 0), ("--seconds", 0)], ids=["drop", "seconds"]
)
def test_zero_is_a_value_too(earmark, tmp_path, options):
    written = earmark("export", "speech-music", "-o", tmp_path / "model.onnx", *options)
    assert written.exit_code == 2
    assert options[0] in written.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_quantized_with_its_own_recordings(earmark, first_training, tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1,))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 2.0)
    (run, _), path = first_training, tmp_path / "model.onnx"
    store, tested = run.parent / "store", run.parent / "sounds" / "testing"
    # The limit is not what is tested.
    options = ("--quantize", "int8", "--max-accuracy-drop", 1, "--store", store)
    written = earmark("export", run, "-o", path, *options, "--json")
    assert written.exit_code == 0, written.output
    cost = json.loads(written.stdout)["quantization"]["cost"]
    assert cost["num_clips"] == 6
    with (run / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = [row["label"] == row["predicted"] for row in rows]
    assert cost["before"]["accuracy"] == pytest.approx(sum(right) / len(right))
    found = earmark("predict", path, tested, "--json")
    assert all("novelty" in json.loads(line) for line in found.stdout.splitlines())
