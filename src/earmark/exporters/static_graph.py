"""A graph whose tensors all have fixed shapes, for runtimes that want those."""

from collections.abc import Sequence

import onnx
import onnx.shape_inference
from onnxscript import optimizer

from earmark.errors import ExportError

MAX_FOLDED = 1 << 24
"""Most values of a constant that stands for a computation of shapes or indices."""


def make_static(model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """The same graph for one input shape.

    What depends on shapes only, such as the number of windows and where they start, becomes
    constants.

    Args:
        model: With one input.
        shape: Of that input.

    Raises:
        ExportError: A tensor's shape still depends on values.

    Example:
        >>> text = '''<ir_version: 10, opset_import: ["" : 18]>
        ... g (float[n] x) => (float y) {size = Shape (x) one = CastLike (size, x)
        ... total = ReduceSum <keepdims = 0> (x) y = Div (total, one)}'''
        >>> static = make_static(onnx.parser.parse_model(text), [5])
        >>> [node.op_type for node in static.graph.node]
        ['ReduceSum', 'Div']
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    (given,) = fixed.graph.input
    for dimension, size in zip(given.type.tensor_type.shape.dim, shape, strict=True):
        dimension.Clear()
        dimension.dim_value = size
    # These hold symbols for what is known now.
    fixed.graph.ClearField("value_info")
    for output in fixed.graph.output:
        output.type.tensor_type.ClearField("shape")
    folded = optimizer.optimize(fixed, input_size_limit=MAX_FOLDED, output_size_limit=MAX_FOLDED)
    static = onnx.shape_inference.infer_shapes(
        folded, check_type=True, strict_mode=True, data_prop=True
    )
    graph = static.graph
    if dynamic := [
        one.name for one in (*graph.value_info, *graph.output) if not _is_static(one.type)
    ]:
        raise ExportError(f"shapes of {', '.join(dynamic)} depend on values; report it")
    return static


def _is_static(value: onnx.TypeProto) -> bool:
    tensor = value.tensor_type
    sizes = tensor.shape.dim
    return tensor.HasField("shape") and all(one.HasField("dim_value") for one in sizes)
