"""An exported model on an embedder's vectors holds the embedder, and needs no other file."""

import re

import numpy as np
import onnx
import pytest
import torch

from earmark.config import FeatureConfig, load_config
from earmark.errors import CheckpointError, ConfigError, ExportError
from earmark.exporters.targets import export
from earmark.features.embedder import EmbedderRequest, inspect_embedder
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import WAVEFORM, start_session
from earmark.models.checkpoint import Checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.training.recipes.vectors import with_embedder

RATE = 8000
LOG_MEL = FeatureConfig(sample_rate=RATE, n_mels=6)
SHAPES = {
    "waveform": ["batch", 4000],
    "rank 3": ["batch", 1, 4000],
    "single": [4000],
    "fixed": [1, 4000],
    "log-mel": ["batch", 6, 9],
    "frames first": ["batch", 9, 6],
    "images": ["batch", 1, 6, 9],
}


@pytest.fixture
def write_model(tmp_path, write_embedder, monkeypatch):
    """A function that writes an embedder and a model on its vectors."""
    monkeypatch.setattr("earmark.exporters.parity.PARITY_SECONDS", (0.1, 1.03))
    monkeypatch.setattr("earmark.exporters.parity.LONG_SECONDS", 2.0)

    def write(shape, opset=18):
        file = tmp_path / "e.onnx"
        write_embedder(file, shape, dimensions=5, sample_rate=RATE, licence="CC0")
        graph = onnx.load(file)
        graph.opset_import[0].version = opset
        onnx.save(graph, file)
        embedder = inspect_embedder(EmbedderRequest(file, features=LOG_MEL))
        config = with_embedder(load_config(), embedder)
        spec = ModelSpec(config, ("music", "speech"), window_frames=1)
        torch.manual_seed(0)
        network = new_network(spec)
        values = 100.0 if embedder.takes == "log_mel" else 5.0
        network.input_norm.fit(torch.full((5,), values), torch.full((5,), values))
        model = tmp_path / "model.safetensors"
        Checkpoint(spec, network.state_dict()).save(model)
        return model

    return write


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_one_file_predicts_what_two_predict(shape, write_model, tmp_path, rng):
    model, path = write_model(shape), tmp_path / "model.onnx"
    result = export(model, path)
    assert 0 < result.parity.largest_difference <= 1e-4
    original = Classifier.load(model)
    sound = rng.normal(0, 0.3, (3, 30_100)).astype(np.float32)
    expected = [list(original.predict(one).probabilities.values()) for one in sound]
    (tmp_path / "e.onnx").unlink()
    (found,) = start_session(path.read_bytes(), "test").run(None, {WAVEFORM: sound})
    np.testing.assert_allclose(found, expected, atol=1e-3)
    exported = Classifier.load(path)
    again = [list(exported.predict(one).probabilities.values()) for one in sound]
    np.testing.assert_allclose(again, expected, atol=1e-4)
    assert exported.spec.config.features.embedder.licence == "CC0"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 18)]


@pytest.mark.parametrize("opset", [13, 21])
def test_other_operators_are_converted(opset, write_model, tmp_path):
    export(write_model(["batch", 4000], opset), tmp_path / "model.onnx")


def test_what_no_graph_can_hold_is_refused(write_model, tmp_path):
    model = write_model([3, 4000])
    with pytest.raises(ExportError, match="3 windows"):
        export(model, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="--static"):
        export(write_model([4000]), tmp_path / "model.onnx", static=True)
    for target in ("c", "web"):
        with pytest.raises(ConfigError, match="embedder"):
            export(model, tmp_path / target, to=target)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["e.onnx", "model.safetensors"]


def test_the_head_alone_finds_its_embedder_beside_it(write_model, tmp_path, rng):
    model, folder = write_model(["batch", 4000]), tmp_path / "there"
    folder.mkdir()
    export(model, folder / "head.onnx", takes="log-mel")
    sound = rng.normal(0, 0.3, 9000)
    expected = Classifier.load(model).predict(sound).probabilities
    (tmp_path / "e.onnx").rename(folder / "e.onnx")
    for moved in (folder / "head.onnx", model.rename(folder / "model.safetensors")):
        found = Classifier.load(moved).predict(sound).probabilities
        assert found == pytest.approx(expected, abs=1e-5)


def test_another_file_in_the_place_of_the_embedder_is_not_taken_for_it(
    write_model, tmp_path, rng, write_embedder
):
    model, sound = write_model(["batch", 4000]), rng.normal(0, 0.3, 9000)
    export(model, tmp_path / "model.onnx")
    expected = Classifier.load(model).predict(sound).probabilities
    (tmp_path / "there").mkdir()
    (tmp_path / "e.onnx").rename(tmp_path / "there" / "e.onnx")
    write_embedder(tmp_path / "e.onnx", ["batch", 4000], dimensions=5, sample_rate=RATE, more=1)
    # The exported model holds its own.
    found = Classifier.load(tmp_path / "model.onnx").predict(sound).probabilities
    assert found == pytest.approx(expected, abs=1e-5)
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "e.onnx"))):
        Classifier.load(model)
    moved = model.rename(tmp_path / "there" / "model.safetensors")
    assert Classifier.load(moved).predict(sound).probabilities == expected
