"""The novelty score of a model as ONNX operators: from embeddings of windows to their scores."""

import numpy as np
import onnx
import onnx.compose
from onnx import helper, numpy_helper, parser

from earmark.inference.onnx_backend import EMBEDDING, LOGITS, NOVELTY
from earmark.tasks.novelty import MAX_CONFIDENCE, Novelty
from earmark.tasks.task import MULTI_CLASS

_SCORE = """
score (float[windows, {channels}] {embedding}, float[windows, {outputs}] {logits}) =>
    (float[windows] {novelty})
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
    weighted = Mul (quadratic, weights)
    both = Add (linear, weighted)
    squares = Add (both, offsets)
    nearest = ReduceMin <keepdims = 0> (squares, axis)
    zero = Constant <value = double {{0.0}}> ()
    positive = Max (nearest, zero)
    distance = Sqrt (positive)
    beyond = Sub (distance, usual_distance)
    relative_distance = Div (beyond, distance_std)
    precise_logits = Cast <to = {float64}> ({logits})
    {confidence}
    doubt = Neg (confidence)
    more_doubt = Sub (doubt, usual_doubt)
    any_doubt = Div (more_doubt, doubt_std)
    least_doubt = Constant <value = double {{{least_doubt}}}> ()
    relative_doubt = Max (any_doubt, least_doubt)
    sum = Add (relative_distance, relative_doubt)
    {novelty} = Cast <to = {float32}> (sum)
}}
"""
_MEAN_CONFIDENCE = """
    decided = Abs (precise_logits)
    confidence = ReduceMean <keepdims = 0> (decided, axis)
"""
_TOP_CONFIDENCE = "confidence = ReduceMax <keepdims = 0> (precise_logits, axis)"
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
_USUAL = ("usual_distance", "distance_std", "usual_doubt", "doubt_std")
_TYPES = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE}


def novelty_graph(novelty: Novelty) -> onnx.GraphProto:
    """From embeddings and logits to scores, as `Novelty.score`."""
    form = novelty.precise
    is_top = novelty.task is MULTI_CLASS
    graph = _parse(
        _SCORE,
        {
            "channels": novelty.centers.shape[1],
            "outputs": novelty.task.num_outputs(novelty.labels.shape[1]),
            "embedding": EMBEDDING,
            "logits": LOGITS,
            "novelty": NOVELTY,
            "confidence": _TOP_CONFIDENCE if is_top else _MEAN_CONFIDENCE,
            "least_doubt": -MAX_CONFIDENCE,
        },
    )
    usual = dict(zip(_USUAL, novelty.usual.astype(np.float64), strict=True))
    arrays = {
        "shift": form.shift,
        # The only large array, and exact in this type.
        "single_directions": novelty.directions,
        "factors": form.factors[:, None],
        "rest": np.float64(form.rest),
        "weights": form.weights,
        "slopes": form.slopes,
        "offsets": form.offsets,
        **usual,
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
    values: dict[str, object] = {"waveform": waveform, "novelty": NOVELTY, "clips": clips}
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
