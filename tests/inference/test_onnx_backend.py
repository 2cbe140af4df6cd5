"""Opening exported models, which are untrusted, without PyTorch. Parity is in test_onnx.py."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from earmark.config import load_config
from earmark.errors import CheckpointError, ConfigError
from earmark.exporters.front_end_graph import front_end_graph
from earmark.exporters.onnx_graph import IR_VERSION, OPSET, pooling_graph
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, open_onnx, read_onnx
from earmark.models.spec import ModelSpec

SPEC = ModelSpec(load_config(), ("music", "speech"), window_frames=51, chosen_thresholds=(0.5,))
NETWORK = f"""
network (float[windows, 1, 40, 51] {LOG_MEL}) => (float[windows, 1] {LOGITS})
{{
    axes = Constant <value_ints = [2, 3]> ()
    {LOGITS} = ReduceMean <keepdims = 0> ({LOG_MEL}, axes)
}}
"""


def log_mel_model(spec=SPEC, text=NETWORK):
    """The mean of the decibels for a network."""
    model = helper.make_model(
        onnx.parser.parse_graph(text),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, {"earmark": spec.to_text()})
    return model


def waveform_model():
    front_end, pooling = front_end_graph(SPEC), pooling_graph(SPEC)
    model = log_mel_model()
    network = onnx.GraphProto()
    network.CopyFrom(model.graph)
    model.graph.CopyFrom(
        helper.make_graph(
            [*front_end.node, *network.node, *pooling.node],
            "whole",
            front_end.input,
            pooling.output,
            front_end.initializer,
            value_info=[*network.input, *network.output],
        )
    )
    return model


def write(path, model):
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("model", [log_mel_model(), waveform_model()], ids=["log-mel", "waveform"])
def test_both_graphs_open_as_a_network_for_windows(tmp_path, rng, model):
    spec, backend = open_onnx(write(tmp_path / "model.onnx", model))
    assert spec == SPEC
    windows = rng.normal(-50, 10, (5, 40, 51)).astype(np.float32)
    np.testing.assert_allclose(backend(windows)[:, 0], windows.mean(axis=(1, 2)), rtol=1e-5)


def test_a_classifier_opens_it(tmp_path, write_clip):
    model = write(tmp_path / "model.onnx", waveform_model())
    prediction = Classifier.load(model).predict(write_clip(tmp_path / "a.wav", kind="noise"))
    assert prediction.label == "music"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_another_device_is_refused(tmp_path, device):
    with pytest.raises(ConfigError, match=f"--device {device}"):
        open_onnx(write(tmp_path / "model.onnx", log_mel_model()), device)


@pytest.mark.parametrize("content", [b"", b"text", log_mel_model().SerializeToString()[:200]])
def test_a_damaged_file_is_named(content):
    with pytest.raises(CheckpointError, match=r"bad\.onnx"):
        read_onnx(content, "bad.onnx")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.onnx"):
        open_onnx(tmp_path / "none.onnx")


def test_a_model_without_a_specification_is_refused():
    model = log_mel_model()
    model.ClearField("metadata_props")
    with pytest.raises(CheckpointError, match=r"other\.onnx"):
        read_onnx(model.SerializeToString(), "other.onnx")


def test_a_graph_that_does_not_fit_its_settings_is_refused():
    spec = replace(SPEC, window_frames=52)
    with pytest.raises(CheckpointError, match=r"misfit\.onnx"):
        read_onnx(log_mel_model(spec).SerializeToString(), "misfit.onnx")


def test_weights_in_another_file_are_refused(tmp_path):
    """A path in the model could lead anywhere."""
    model = log_mel_model(text=NETWORK.replace("ReduceMean <keepdims = 0> (", "Shifted ("))
    (node,) = (one for one in model.graph.node if one.op_type == "Shifted")
    node.op_type = "Add"
    node.input[1] = "secret"
    tensor = model.graph.initializer.add(name="secret", data_type=1, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(tmp_path / "secret.bin"))
    (tmp_path / "secret.bin").write_bytes(bytes(4))
    with pytest.raises(CheckpointError, match=r"leak\.onnx"):
        read_onnx(model.SerializeToString(), "leak.onnx")


def test_a_graph_without_inputs_is_refused():
    text = f"""
    network () => (float[windows, 1] {LOGITS})
    {{
        shape = Constant <value_ints = [1, 1]> ()
        {LOGITS} = ConstantOfShape (shape)
    }}
    """
    with pytest.raises(CheckpointError, match="here"):
        read_onnx(log_mel_model(text=text).SerializeToString(), "here")


def test_a_graph_whose_logits_are_not_finite_is_refused():
    text = NETWORK.replace(
        f"{LOGITS} = ReduceMean <keepdims = 0> ({LOG_MEL}, axes)",
        f"""means = ReduceMean <keepdims = 0> ({LOG_MEL}, axes)
        {LOGITS} = Sqrt (means)""",
    )
    with pytest.raises(CheckpointError, match="here"):
        read_onnx(log_mel_model(text=text).SerializeToString(), "here")
