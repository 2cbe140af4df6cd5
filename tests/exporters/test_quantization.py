"""Networks in 8-bit integers, and what they cost."""

import json

import numpy as np
import onnx
import pytest

from earmark.errors import ConfigError, DataError, ExportError
from earmark.exporters import quantization
from earmark.exporters.onnx import export_onnx
from earmark.exporters.validation import read_clips
from earmark.inference.classifier import Classifier


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 2.0)


def metadata(path):
    return {one.key: one.value for one in onnx.load(path).metadata_props}


def quantized(folder, tmp_path, **options):
    options = {"quantize": "int8", "data": folder, "store": tmp_path / "store", **options}
    return export_onnx("speech-music", tmp_path / "model.onnx", options)


def test_a_quantized_model_is_smaller_and_states_its_cost(quick, sound_folder, tmp_path):
    result = quantized(sound_folder, tmp_path, max_accuracy_drop=1.0)
    assert result.num_bytes < 0.6 * result.quantized.num_bytes_before
    assert result.parity.largest_difference <= 1e-4
    types = [node.op_type for node in onnx.load(result.path).graph.node]
    # Before and after each of the five layers.
    assert types.count("QuantizeLinear") == 10
    cost = json.loads(metadata(result.path)["quantization"])["cost"]
    assert cost == result.to_dict()["quantization"]["cost"]
    # By prediction, file by file.
    files = sorted((sound_folder / "validation").rglob("*.wav"))
    assert cost["num_clips"] == len(files) == 6
    for model, scores in {"speech-music": "before", result.path: "after"}.items():
        found = Classifier.load(model).predict_many(files)
        right = [one.label == one.path.parent.name for one in found]
        assert cost[scores]["accuracy"] == np.mean(right)
    again = export_onnx(result.path, tmp_path / "again.onnx", {"takes": "log-mel"})
    assert json.loads(metadata(again.path)["quantization"])["cost"] == cost
    with pytest.raises(ConfigError, match="quantized already"):
        export_onnx(again.path, tmp_path / "c.onnx", {"quantize": "int8", "data": sound_folder})


def test_a_model_that_loses_too_much_is_not_written(quick, sound_folder, tmp_path, monkeypatch):
    def spoil(network, windows):
        spoiled = onnx.GraphProto()
        spoiled.CopyFrom(network)
        for one in spoiled.initializer:
            if one.name.startswith("classifier"):
                values = -onnx.numpy_helper.to_array(one)
                one.CopyFrom(onnx.numpy_helper.from_array(values, one.name))
        return spoiled

    monkeypatch.setattr(quantization, "quantize_network", spoil)
    with pytest.raises(ExportError, match=r"model\.onnx: not written.*--max-accuracy-drop"):
        quantized(sound_folder, tmp_path)
    assert not (tmp_path / "model.onnx").exists()


def test_test_recordings_are_never_read(sound_folder, tmp_path):
    for file in (sound_folder / "testing").rglob("*.wav"):
        file.write_bytes(b"")
    spec = Classifier.load("speech-music").spec
    clips = read_clips("speech-music", spec, sound_folder, tmp_path / "store")
    assert (len(clips.training), len(clips.validation)) == (12, 6)
    windows = clips.sample_windows(4)
    assert windows.shape == (4, 40, spec.window_frames)
    np.testing.assert_array_equal(windows, clips.sample_windows(4))


def test_without_data_a_run_folder_is_needed():
    spec = Classifier.load("speech-music").spec
    with pytest.raises(ConfigError, match="--data"):
        read_clips("speech-music", spec)


def test_other_labels_are_refused(sound_folder, tmp_path):
    spec = Classifier.load("speech-music").spec
    for split in sound_folder.iterdir():
        (split / "music").rename(split / "birds")
    with pytest.raises(DataError, match="birds"):
        read_clips("speech-music", spec, sound_folder, tmp_path / "store")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "folder"}, "--data"),
        ({"max_accuracy_drop": 0.1}, "--max-accuracy-drop"),
        ({"quantize": "int4"}, "int4"),
        ({"quantize": "int8", "max_accuracy_drop": -0.1}, "--max-accuracy-drop"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        quantization.Quantization.of(options)
