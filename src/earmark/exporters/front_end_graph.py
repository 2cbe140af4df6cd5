"""The front end of a model as a graph of standard ONNX operators: from waveforms to windows.

::

    waveform ──log-mel──▶ frames ──windows──▶ log_mel
    waveform ──[log-mel]──▶ frames ──windows──▶ embedder ──▶ vectors ──windows──▶ log_mel

The second line is that of a model on the vectors of an embedder, whose graph is put in between.
"""

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper, parser

from earmark.config import EmbedderConfig, FeatureConfig
from earmark.exporters.description import least_samples
from earmark.exporters.embedder_graph import embedder_graph
from earmark.features.embedder_file import INNER_INPUT, INNER_OUTPUT
from earmark.features.log_mel import FLOOR, hann_window, mel_filterbank
from earmark.features.windows import window_step
from earmark.inference.onnx_backend import LOG_MEL, LOGITS, WAVEFORM
from earmark.models.spec import ModelSpec

_TYPES = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "int64": onnx.TensorProto.INT64,
}
_PADS = """
    num_samples = Shape <start = 1, end = 2> ({waveform})
    least_samples = Constant <value_ints = [{least_samples}]> ()
    is_short = Less (num_samples, least_samples)
    row = Cast <to = {int64}> (is_short)
    only_row = Constant <value_ints = [0, {half}, 0, {half}]> ()
    first_axis = Constant <value_ints = [0]> ()
    rows = Unsqueeze (only_row, first_axis)
    row_of_pads = Gather (rows, row)
    pads = Squeeze (row_of_pads, first_axis)
"""
_LOG_MEL_FRAMES = """
    samples = Cast <to = {float64}> ({waveform})
    padded = Pad (samples, pads)
    hop = Constant <value_int = {hop}> ()
    length = Constant <value_int = {n_fft}> ()
    spectrum = STFT <onesided = 1> (padded, hop, hann, length)
    parts_axis = Constant <value_ints = [3]> ()
    energy = ReduceSumSquare <keepdims = 0> (spectrum, parts_axis)
    exponent = Constant <value = double {{{exponent}}}> ()
    power = Pow (energy, exponent)
    bands = MatMul (power, filterbank)
    least = Constant <value = double {{{floor}}}> ()
    audible = Max (bands, least)
    logarithm = Log (audible)
    scale = Constant <value = double {{{scale}}}> ()
    decibels = Mul (logarithm, scale)
    single = Cast <to = {float32}> (decibels)
    rounded = Cast <to = {float16}> (single)
    frames = Cast <to = {float32}> (rounded)
"""
_SAMPLE_FRAMES = """
    samples = Pad ({waveform}, pads)
    bands_axis = Constant <value_ints = [2]> ()
    frames = Unsqueeze (samples, bands_axis)
"""
_CUT = """
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    step = Constant <value_int = {step}> ()
    window = Constant <value_int = {length}> ()
    frame_counts = Shape <start = 1, end = 2> (frames)
    num_frames = Squeeze (frame_counts)
    beyond = Sub (num_frames, window)
    room = Max (beyond, zero)
    room_and_step = Add (room, step)
    rounding = Sub (room_and_step, one)
    num_steps = Div (rounding, step)
    num_windows = Add (num_steps, one)
    numbers = Range (zero, num_windows, one)
    grid = Mul (numbers, step)
    starts = Min (grid, room)
    column = Constant <value_ints = [1]> ()
    start_column = Unsqueeze (starts, column)
    offsets = Range (zero, window, one)
    beyond_clip = Add (start_column, offsets)
    indices = Mod (beyond_clip, num_frames)
    cut = Gather <axis = 1> (frames, indices)
    bands_first = Transpose <perm = [0, 1, 3, 2]> (cut)
    windows_shape = Constant <value_ints = [-1, 1, {bands}, {length}]> ()
    {windows} = Reshape (bands_first, windows_shape)
"""
_VECTOR_FRAMES = """
    rounded = Cast <to = {float16}> ({vectors})
    single = Cast <to = {float32}> (rounded)
    batch_size = Shape <start = 0, end = 1> ({waveform})
    rest = Constant <value_ints = [-1, {bands}]> ()
    clips_shape = Concat <axis = 0> (batch_size, rest)
    frames = Reshape (single, clips_shape)
"""


def front_end_graph(spec: ModelSpec) -> onnx.GraphProto:
    """From waveforms of equal length to their windows, clip by clip.

    Args:
        spec: Of the model.

    Raises:
        CheckpointError: Its embedder is missing, or is another one.
        ExportError: Its embedder cannot be part of a graph.
    """
    features, embedder = spec.config.features, spec.config.features.embedder
    last_cut = {
        "bands": features.n_mels,
        "length": spec.window_frames,
        "step": window_step(spec.window_frames, spec.config.predict.overlap),
        "windows": LOG_MEL,
    }
    if embedder is None:
        return _named(_first_part(spec, features, last_cut), spec)
    first = _first_part(spec, embedder.front_end, _embedder_cut(embedder))
    text = (
        "vectors (float[batch, samples] {waveform}, float[windows, {bands}] {vectors}) => "
        f"(float[windows, 1, {{bands}}, {{length}}] {{windows}}) {{{{{_VECTOR_FRAMES}{_CUT}}}}}"
    )
    last = _with_prefix(parse(text, {**last_cut, "vectors": INNER_OUTPUT}), "vectors/")
    inner = embedder_graph(embedder)
    joined = onnx.helper.make_graph(
        [*first.node, *inner.node, *last.node],
        "front_end",
        first.input,
        last.output,
        [*first.initializer, *inner.initializer],
        value_info=[*inner.input, *inner.output],
    )
    return _named(joined, spec)


def _first_part(
    spec: ModelSpec, log_mel: FeatureConfig | None, cut: Mapping[str, object]
) -> onnx.GraphProto:
    """From waveforms to windows of log-mel values; of samples without settings for these."""
    text = (
        "front_end (float[batch, samples] {waveform}) => "
        f"(float[windows, 1, {{bands}}, {{length}}] {{windows}}) {{{{{_PADS}"
        f"{_SAMPLE_FRAMES if log_mel is None else _LOG_MEL_FRAMES}{_CUT}}}}}"
    )
    values: dict[str, object] = {"least_samples": least_samples(spec), "half": 0, **cut}
    if log_mel is None:
        return parse(text, values)
    values |= {
        "half": log_mel.n_fft // 2,
        "hop": log_mel.hop_length,
        "n_fft": log_mel.n_fft,
        "exponent": log_mel.power / 2.0,
        "floor": FLOOR,
        "scale": 20.0 / log_mel.power / math.log(10.0),
    }
    graph = parse(text, values)
    hann = hann_window(log_mel.win_length, log_mel.n_fft)
    # In float64: the rounding errors of two transforms in float32 would add up, and are all that is
    # in quiet bands.
    for name, table in {"hann": hann, "filterbank": mel_filterbank(log_mel).T}.items():
        values_64 = np.ascontiguousarray(table, np.float64)
        graph.initializer.append(numpy_helper.from_array(values_64, name))
    return graph


def _embedder_cut(embedder: EmbedderConfig) -> dict[str, object]:
    front_end, length = embedder.front_end, embedder.window_length
    bands = 1 if front_end is None else front_end.n_mels
    return {"bands": bands, "length": length, "step": length, "windows": INNER_INPUT}


def _named(graph: onnx.GraphProto, spec: ModelSpec) -> onnx.GraphProto:
    for node in graph.node:
        if node.op_type == "Gather" and "row_of_pads" in node.output:
            # The name is all that a runtime adds to its error message.
            node.name = f"waveform needs {least_samples(spec)} samples or more"
    return graph


def _with_prefix(graph: onnx.GraphProto, prefix: str) -> onnx.GraphProto:
    return onnx.compose.add_prefix_graph(graph, prefix, rename_inputs=False, rename_outputs=False)


def parse(text: str, values: Mapping[str, object]) -> onnx.GraphProto:
    """A graph from ONNX's text form.

    Args:
        text: With the names of tensors, types and ``values`` in braces.
        values: Name to value.
    """
    names = {"waveform": WAVEFORM, "log_mel": LOG_MEL, "logits": LOGITS}
    return parser.parse_graph(text.format(**names, **_TYPES, **values))
