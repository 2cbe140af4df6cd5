"""A model as a graph of standard ONNX operators: the network, alone or with front end and pooling.

::

    waveform ──front end, windows──▶ log_mel ──network──▶ logits ──pooling──▶ probabilities
                                                     └──▶ embedding ──▶ novelty ──▶ clip_novelty

The network is exported by PyTorch; the rest is written here in ONNX's text form, one operator
per line. The values equal those of `earmark.features.log_mel`,
`earmark.features.windows` and `earmark.tasks.decision_rule`.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import onnx
import onnx.compose
import onnxscript  # noqa: F401 - torch.onnx needs it, and would fail only when it exports
import torch
from onnx import helper
from torch import nn

from earmark._version import __version__
from earmark.errors import ExportError
from earmark.exporters.description import describe_graph, describe_model
from earmark.exporters.embedder_graph import OPSET
from earmark.exporters.front_end_graph import front_end_graph, parse
from earmark.exporters.graph_form import GraphForm
from earmark.exporters.novelty_graph import clip_novelty_graph, with_novelty
from earmark.exporters.static_graph import make_static
from earmark.inference.onnx_backend import EMBEDDING, LOG_MEL, LOGITS, NOVELTY, WAVEFORM
from earmark.models.architectures.registry import AudioModel
from earmark.models.spec import ModelSpec
from earmark.tasks.novelty import Novelty
from earmark.tasks.task import BINARY, MULTI_CLASS, MULTI_LABEL

IR_VERSION = 10
INTERFACE_VERSION = 2
"""The ``model_version`` in the file: of the names, types and shapes of inputs and outputs."""

PROBABILITIES, CLIP_NOVELTY = "probabilities", "clip_novelty"
"""Names of the outputs of a graph that takes a waveform; the second only with a score."""

_POOLING = """
pooling (float[batch, samples] {waveform}, float[windows, {outputs}] {logits}) =>
    (float[batch, {labels}] probabilities)
{{
    batch_size = Shape <start = 0, end = 1> ({waveform})
    rest = Constant <value_ints = [-1, {outputs}]> ()
    clips_shape = Concat <axis = 0> (batch_size, rest)
    by_clip = Reshape ({logits}, clips_shape)
    of_windows = Cast <to = {float64}> (by_clip)
    windows_axis = Constant <value_ints = [1]> ()
    {pool}
    temperature = Constant <value = double {{{temperature}}}> ()
    calibrated = Div (clip_logits, temperature)
    {probabilities}
    probabilities = Cast <to = {float32}> (precise)
}}
"""

_MEAN = "clip_logits = ReduceMean <keepdims = 0> (of_windows, windows_axis)"
_WEIGHTED = """
    largest = ReduceMax <keepdims = 1> (confidence, windows_axis)
    below = Sub (confidence, largest)
    {weights}
    weighted = Mul (weights, of_windows)
    total = ReduceSum <keepdims = 0> (weighted, windows_axis)
    total_weight = ReduceSum <keepdims = 0> (weights, windows_axis)
    clip_logits = Div (total, total_weight)
"""
_WEIGHTS = {
    "max": """
    no_difference = Constant <value = double {{0.0}}> ()
    is_largest = Equal (below, no_difference)
    weights = Cast <to = {float64}> (is_largest)
    """,
    "attention": "weights = Exp (below)",
}
_CONFIDENCE = {
    BINARY.name: "confidence = Abs (of_windows)",
    MULTI_LABEL.name: "confidence = Identity (of_windows)",
    MULTI_CLASS.name: """
    log_probabilities = LogSoftmax <axis = -1> (of_windows)
    labels_axis = Constant <value_ints = [2]> ()
    top = ReduceMax <keepdims = 1> (log_probabilities, labels_axis)
    nearly_certain = Constant <value = double {{-1e-12}}> ()
    uncertain = Min (top, nearly_certain)
    top_probability = Exp (uncertain)
    certain = Constant <value = double {{1.0}}> ()
    other_probabilities = Sub (certain, top_probability)
    others = Log (other_probabilities)
    confidence = Sub (top, others)
    """,
}
_PROBABILITIES = {
    BINARY.name: """
    second = Sigmoid (calibrated)
    whole = Constant <value = double {{1.0}}> ()
    first = Sub (whole, second)
    precise = Concat <axis = 1> (first, second)
    """,
    MULTI_CLASS.name: "precise = Softmax <axis = 1> (calibrated)",
    MULTI_LABEL.name: "precise = Sigmoid (calibrated)",
}


def build_graph(
    network: onnx.GraphProto, spec: ModelSpec, form: GraphForm, origin: Mapping[str, str]
) -> onnx.ModelProto:
    """Builds and checks the graph of a model, with the specification in its metadata.

    Args:
        network: From `network_graph`.
        spec: Everything that the model needs besides its weights.
        form: What it takes. ``log-mel``: the network alone, from windows
            ``(windows, 1, mels, frames)`` in decibels to logits ``(windows, outputs)``, embeddings
            ``(windows, channels)`` and, of a model that has it, novelty ``(windows,)``.
            ``waveform``: the whole model, from samples ``(batch, samples)`` in [-1, 1] at the
            model's rate to probabilities ``(batch, labels)``, one row per clip, and
            ``clip_novelty`` ``(batch,)``. Fewer samples than `least_samples` are an error of the
            runtime, from an index out of bounds in the node of that name.
        origin: More metadata, about the weights.
    """
    graph = network if form.takes == "log-mel" else _surround(network, spec)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="earmark",
        producer_version=__version__,
        model_version=INTERFACE_VERSION,
        doc_string=describe_graph(spec, form),
    )
    helper.set_model_props(model, {**describe_model(spec), **origin})
    if form.is_static:
        if any(node.op_type == "Scan" for node in graph.node):
            raise ExportError(
                "the embedder takes one window at a time, so shapes cannot be fixed; leave "
                "--static and --seconds out"
            )
        model = make_static(model, form.fixed_shape(spec))
    onnx.checker.check_model(model, full_check=True)
    return model


class _AllOutputs(nn.Module):
    """A network that returns logits and embeddings."""

    def __init__(self, network: AudioModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, log_mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.network.forward_embedding(log_mel)
        return self.network.forward_head(embedding), embedding


def network_graph(
    network: AudioModel, spec: ModelSpec, novelty: Novelty | None = None
) -> onnx.GraphProto:
    """The graph of a network in PyTorch, from windows of log-mel frames to logits and embeddings.

    Args:
        network: In evaluation mode, on the CPU.
        spec: Everything that the model needs besides its weights.
        novelty: Its score, which is one more output then.
    """
    example = torch.zeros(2, 1, spec.config.features.n_mels, spec.window_frames)
    with _without_warnings(), torch.no_grad():
        program = torch.onnx.export(
            _AllOutputs(network).eval(),
            (example,),
            input_names=[LOG_MEL],
            output_names=[LOGITS, EMBEDDING],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("windows")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto.graph
    # These fields hold the paths of the source code.
    for one in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        one.ClearField("metadata_props")
        one.ClearField("doc_string")
    graph.ClearField("value_info")
    graph.name = "earmark"
    return graph if novelty is None else with_novelty(graph, novelty)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides what torch.onnx warns of: its own internals, and packages that are not needed here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _surround(network: onnx.GraphProto, spec: ModelSpec) -> onnx.GraphProto:
    """Puts front end and pooling around the network: from waveforms to probabilities."""
    around = [front_end_graph(spec), pooling_graph(spec)]
    outputs = [*around[1].output]
    if NOVELTY in [one.name for one in network.output]:
        around.append(clip_novelty_graph(WAVEFORM, CLIP_NOVELTY))
        outputs += around[2].output
    front_end, *after = around
    inner = onnx.compose.add_prefix_graph(
        network, "network/", rename_inputs=False, rename_outputs=False
    )
    return helper.make_graph(
        [*front_end.node, *inner.node, *(node for one in after for node in one.node)],
        "earmark",
        front_end.input,
        outputs,
        [*front_end.initializer, *inner.initializer],
        # So that earmark can extract the network, and an embedder, again.
        value_info=[*front_end.value_info, *network.input, *network.output],
    )


def pooling_graph(spec: ModelSpec) -> onnx.GraphProto:
    """From the logits of windows to the calibrated probabilities of their clips.

    The number of clips is that of the waveforms.
    """
    pooling = spec.config.predict.pooling
    pool = _MEAN
    if pooling != "mean":
        pool = _CONFIDENCE[spec.task.name] + _WEIGHTED.replace("{weights}", _WEIGHTS[pooling])
    text = _POOLING.replace("{pool}", pool).replace(
        "{probabilities}", _PROBABILITIES[spec.task.name]
    )
    return parse(
        text,
        {
            "outputs": spec.num_outputs,
            "labels": len(spec.labels),
            "temperature": spec.temperature,
        },
    )
