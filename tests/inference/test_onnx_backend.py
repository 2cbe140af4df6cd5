"""Opening exported models: without PyTorch, and without trust. Parity is in test_onnx.py."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from earmark.config import load_config
from earmark.errors import CheckpointError, ConfigError
from earmark.exporters.onnx_graph import IR_VERSION, OPSET, front_end_graph, pooling_graph
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, open_onnx, read_onnx
from earmark.models.spec import ModelSpec

CARD = ModelSpec(load_config(), ("music", "speech"), window_frames=51, chosen_thresholds=(0.5,))
NETWORK = f"""
network (float[windows, 1, 40, 51] {LOG_MEL}) => (float[windows, 1] {LOGITS})
{{
    axes = Constant <value_ints = [2, 3]> ()
    {LOGITS} = ReduceMean <keepdims = 0> ({LOG_MEL}, axes)
}}
"""
FORBIDDEN = ("torch", "pandas", "matplotlib", "sklearn", "scipy.stats", "onnx")


def log_mel_model(spec=CARD, text=NETWORK):
    """The mean of the decibels for a network."""
    model = helper.make_model(
        onnx.parser.parse_graph(text),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, {"earmark": spec.to_text()})
    return model


def waveform_model():
    front_end, pooling = front_end_graph(CARD), pooling_graph(CARD)
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
    spec, judge = open_onnx(write(tmp_path / "model.onnx", model))
    assert spec == CARD
    windows = rng.normal(-50, 10, (5, 40, 51)).astype(np.float32)
    np.testing.assert_allclose(judge(windows)[:, 0], windows.mean(axis=(1, 2)), rtol=1e-5)


def test_the_command_answers_without_pytorch(tmp_path, write_clip):
    """Nor what else is slow to import and not needed to judge a file."""
    model = write(tmp_path / "model.onnx", log_mel_model())
    clip = write_clip(tmp_path / "a.wav", kind="noise")
    program = (
        "import sys; from earmark.cli import cli\n"
        f"cli.main(['predict', {str(model)!r}, {str(clip)!r}, '--json'], standalone_mode=False)\n"
        f"print([name for name in {FORBIDDEN} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    line, imported = answer.stdout.splitlines()
    assert '"label": "music"' in line
    assert imported == "[]"


def test_a_classifier_opens_it(tmp_path, write_clip):
    model = write(tmp_path / "model.onnx", waveform_model())
    prediction = Classifier.load(model).predict(write_clip(tmp_path / "a.wav", kind="noise"))
    assert prediction.label == "music"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_another_device_is_refused(tmp_path, device):
    with pytest.raises(ConfigError, match="computes on the CPU"):
        open_onnx(write(tmp_path / "model.onnx", log_mel_model()), device)


@pytest.mark.parametrize("content", [b"", b"text", log_mel_model().SerializeToString()[:200]])
def test_a_damaged_file_is_refused_by_name(content):
    with pytest.raises(CheckpointError, match=r"bad\.onnx"):
        read_onnx(content, "bad.onnx")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.onnx: cannot be read"):
        open_onnx(tmp_path / "none.onnx")


def test_a_model_of_somebody_else_is_refused():
    model = log_mel_model()
    model.ClearField("metadata_props")
    with pytest.raises(CheckpointError, match="without earmark's settings"):
        read_onnx(model.SerializeToString(), "other.onnx")


def test_a_graph_that_is_not_what_its_settings_say_is_refused():
    spec = replace(CARD, window_frames=52)
    with pytest.raises(CheckpointError, match="export it again"):
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
