"""The novelty score of a model as ONNX operators: from embeddings of windows to their scores."""

import numpy as np
import onnx
import onnx.compose
from onnx import helper, numpy_helper, parser

from earmark.inference.onnx_backend import EMBEDDING, NOVELTY
from earmark.tasks.novelty import Novelty

_SCORE = """
score (float[windows, {channels}] {embedding}) => (float[windows] {novelty})
{{
    precise = Cast <to = {float64}> ({embedding})
    moved = Sub (precise, shift)
    directions = Cast <to = {float64}> (single_directions)
    along = MatMul (moved, directions)
    along_squares = Mul (along, along)
    along_sum = MatMul (along_squares, factors)
    axis = Constant <value_ints = [1]> ()
    length = ReduceSumSquare <keepdims = 1> (moved, axis)
    length_sum = Mul (length, rest)
    quadratic = Add (along_sum, length_sum)
    linear = MatMul (moved, slopes)
    both = Add (linear, quadratic)
    squares = Add (both, offsets)
    nearest = ReduceMin <keepdims = 0> (squares, axis)
    zero = Constant <value = double {{0.0}}> ()
    positive = Max (nearest, zero)
    distance = Sqrt (positive)
    {novelty} = Cast <to = {float32}> (distance)
}}
"""
_CLIPS = """
pooling (float[batch, samples] {waveform}, float[windows] {novelty}) => (float[batch] {clips})
{{
    batch_size = Shape <start = 0, end = 1> ({waveform})
    rest = Constant <value_ints = [-1]> ()
    clips_shape = Concat <axis = 0> (batch_size, rest)
    precise = Cast <to = {float64}> ({novelty})
    by_clip = Reshape (precise, clips_shape)
    axis = Constant <value_ints = [1]> ()
    mean = ReduceMean <keepdims = 0> (by_clip, axis)
    {clips} = Cast <to = {float32}> (mean)
}}
"""
_TYPES = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}


def novelty_graph(novelty: Novelty) -> onnx.GraphProto:
    """From embeddings to scores, as `Novelty.score`."""
    form, channels = novelty.precise, novelty.centers.shape[1]
    graph = _parse(_SCORE, {"channels": channels, "embedding": EMBEDDING, "novelty": NOVELTY})
    arrays = {
        "shift": form.shift,
        # The only large array, and exact in this type.
        "single_directions": novelty.directions,
        "factors": form.factors[:, None],
        "rest": np.float64(form.rest),
        "slopes": form.slopes,
        "offsets": form.offsets,
    }
    for name, values in arrays.items():
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return _prefixed(graph, "score/")


def clip_novelty_graph(waveform: str, clips: str) -> onnx.GraphProto:
    """From the scores of windows to those of their clips, as `earmark.tasks.pooling.pool_novelty`.

    Args:
        waveform: Name of the input, which has the number of clips.
        clips: Name of the output.
    """
    values = {"waveform": waveform, "novelty": NOVELTY, "clips": clips}
    return _prefixed(_parse(_CLIPS, values), "clips/")


def with_novelty(network: onnx.GraphProto, novelty: Novelty) -> onnx.GraphProto:
    """A network with its novelty score as one more output."""
    score = novelty_graph(novelty)
    return helper.make_graph(
        [*network.node, *score.node],
        network.name,
        network.input,
        [*network.output, *score.output],
        [*network.initializer, *score.initializer],
    )


def _prefixed(graph: onnx.GraphProto, prefix: str) -> onnx.GraphProto:
    return onnx.compose.add_prefix_graph(graph, prefix, rename_inputs=False, rename_outputs=False)


def _parse(text: str, values: dict[str, object]) -> onnx.GraphProto:
    return parser.parse_graph(text.format(**_TYPES, **values))
