from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from earmark.errors import CheckpointError
from earmark.inference.onnx_backend import open_onnx
from earmark.models.checkpoint import load_checkpoint
from earmark.models.pretrained import find_model


@pytest.fixture
def packaged():
    return onnx.load(find_model("speech-music"))


def test_weights_give_the_logits_of_the_graph(rng):
    path = find_model("speech-music")
    checkpoint = load_checkpoint(path)
    spec, backend = open_onnx(path)
    assert checkpoint.spec == spec
    windows = rng.normal(-40, 15, (3, spec.config.features.n_mels, spec.window_frames))
    windows = windows.astype(np.float32)
    with torch.inference_mode():
        logits = checkpoint.build()(torch.from_numpy(windows)[:, None]).numpy()
    np.testing.assert_allclose(logits, backend(windows), rtol=1e-4, atol=1e-4)


def changed(model, name, values):
    for one in model.graph.initializer:
        if one.name == name:
            one.CopyFrom(numpy_helper.from_array(values, name))
            return model
    raise AssertionError(name)


def test_a_graph_that_lacks_a_weight_is_refused(packaged, tmp_path):
    for node in packaged.graph.node:
        node.input[:] = [one.replace("blocks.1.conv.bias", "folded") for one in node.input]
    for one in packaged.graph.initializer:
        one.name = one.name.replace("blocks.1.conv.bias", "folded")
    onnx.save(packaged, tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match=r"blocks\.1\.conv\.bias"):
        load_checkpoint(tmp_path / "a.onnx")


def test_a_graph_that_computes_something_else_is_refused(packaged, tmp_path):
    (pool,) = (one for one in packaged.graph.node if one.op_type == "AveragePool")
    pool.op_type = "MaxPool"
    for one in [one for one in pool.attribute if one.name == "count_include_pad"]:
        pool.attribute.remove(one)
    onnx.save(packaged, tmp_path / "a.onnx")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "a.onnx")


def test_a_graph_of_waveforms_is_refused(packaged, tmp_path):
    packaged.graph.input[0].name = "waveform"
    onnx.save(packaged, tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match="log-mel"):
        load_checkpoint(tmp_path / "a.onnx")


def test_a_damaged_file_is_refused(tmp_path):
    path = Path(tmp_path / "a.onnx")
    path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match=r"a\.onnx"):
        load_checkpoint(path)
