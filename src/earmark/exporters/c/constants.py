"""What is constant in a graph for one window: initializers, shapes, and what they give."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx.shape_inference
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from earmark.exporters.onnx_graph import IR_VERSION, OPSET
from earmark.inference.onnx_backend import EMBEDDING, LOGITS

Shape = tuple[int, ...]


def needed_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that logits and embedding depend on, in order."""
    wanted, nodes = {LOGITS, EMBEDDING}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            nodes.append(node)
    return nodes[::-1]


def static_shapes(graph: onnx.GraphProto) -> Mapping[str, Shape]:
    """The shapes of all values, for one window."""
    single = onnx.GraphProto()
    single.CopyFrom(graph)
    for value in (*single.input, *single.output):
        if value.type.tensor_type.shape.dim:
            first = value.type.tensor_type.shape.dim[0]
            first.Clear()
            first.dim_value = 1
    model = _model(single)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(one.dim_value for one in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }


def find_constants(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], shapes: Mapping[str, Shape]
) -> dict[str, np.ndarray]:
    """The values that do not depend on the window.

    Args:
        graph: The network.
        nodes: Those of its nodes that are looked at, in order.
        shapes: From `static_shapes`.
    """
    known = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in nodes:
        if node.op_type == "Shape" and node.input[0] in shapes:
            start, end = (helper.get_node_attr_value(node, key) for key in ("start", "end"))
            known[node.output[0]] = np.array(shapes[node.input[0]][start:end], np.int64)
        elif all(name in known for name in node.input if name):
            known.update(_evaluate(node, known))
    return known


def _evaluate(node: onnx.NodeProto, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    inputs = {name: known[name] for name in node.input if name}
    graph = helper.make_graph(
        [node],
        "constant",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape
            )
            for name, one in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    values = ReferenceEvaluator(_model(graph)).run(None, inputs)
    return dict(zip(node.output, map(np.asarray, values), strict=True))


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
