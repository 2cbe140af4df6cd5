"""From the graph of a network to its layers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx
from onnx import helper

from earmark.errors import ExportError
from earmark.exporters.c.constants import find_constants, needed_nodes, static_shapes
from earmark.exporters.c.network import (
    Layer,
    Network,
    Operator,
    Reach,
    Step,
    Summary,
    Tensor,
)
from earmark.exporters.c.weights import Weights
from earmark.inference.onnx_backend import LOG_MEL

_ROWS, _COLUMNS = 2, 3
"""Axes of a value, (batch, channels, rows, columns)."""


@dataclass(frozen=True)
class _Stream:
    """A tensor that exists column by column; ``layer`` computes it, ``groups`` divides its rows."""

    tensor: int
    layer: int | None = None
    groups: int = 1


@dataclass(frozen=True)
class _Sigmoid:
    """The sigmoid of a stream, of which only the product with that stream is known."""

    stream: _Stream


@dataclass(frozen=True)
class _Reduced:
    """What a head has made of a stream."""

    stream: _Stream
    kind: Summary | Literal["max"]


_Value = _Stream | _Sigmoid | _Reduced


def read_network(graph: onnx.GraphProto, quantized: Mapping[str, Weights]) -> Network:
    """The layers of a network.

    Args:
        graph: From log-mel windows to logits and embeddings, as
            `earmark.exporters.onnx_graph.network_graph` gives it.
        quantized: Weights in 8 bits by name, in place of those in the graph.

    Raises:
        ExportError: It has operators that are not known here.
    """
    return _Reader(graph, quantized).read()


class _Reader:
    def __init__(self, graph: onnx.GraphProto, quantized: Mapping[str, Weights]) -> None:
        self._nodes = needed_nodes(graph)
        self._quantized = quantized
        self._shapes = static_shapes(graph)
        self._constants = find_constants(graph, self._nodes, self._shapes)
        self._uses = Counter(name for node in self._nodes for name in node.input)
        _, _, rows, length = self._shapes[LOG_MEL]
        self._tensors = [Tensor(1, rows, length)]
        self._layers: list[Layer] = []
        self._values: dict[str, _Value] = {LOG_MEL: _Stream(0)}
        self._means = np.zeros(rows, np.float32)
        self._stds = np.ones(rows, np.float32)
        self._summary: Summary | None = None
        self._classifier: tuple[Weights, np.ndarray] | None = None

    def read(self) -> Network:
        for node in self._nodes:
            if node.output[0] not in self._constants:
                self._read_node(node)
        assert self._summary is not None
        assert self._classifier is not None
        return Network(
            tuple(self._tensors),
            tuple(self._layers),
            self._summary,
            self._means,
            self._stds,
            *self._classifier,
        )

    def _read_node(self, node: onnx.NodeProto) -> None:
        readers: Mapping[str, Callable[[onnx.NodeProto], _Value | None]] = {
            "Sub": self._read_norm,
            "Div": self._read_norm,
            "Conv": self._read_convolution,
            "Relu": lambda node: self._append(node, Step("relu")),
            "Sigmoid": self._read_sigmoid,
            "Mul": self._read_product,
            "BatchNormalization": self._read_batch_norm,
            "MaxPool": self._read_max_pool,
            "AveragePool": self._read_average_pool,
            "ReduceMean": self._read_reduction,
            "ReduceMax": self._read_reduction,
            "Add": self._read_sum,
            "Reshape": self._read_reshape,
            "Gather": self._read_gather,
            "Gemm": self._read_classifier,
        }
        if node.op_type not in readers:
            raise _unknown(node)
        value = readers[node.op_type](node)
        if value is not None:
            self._values[node.output[0]] = value

    def _stream(self, node: onnx.NodeProto, place: int = 0) -> _Stream:
        value = self._values.get(node.input[place])
        if not isinstance(value, _Stream):
            raise _unknown(node)
        return value

    def _array(self, node: onnx.NodeProto, place: int) -> np.ndarray:
        if node.input[place] not in self._constants:
            raise _unknown(node)
        return self._constants[node.input[place]]

    def _weights(self, node: onnx.NodeProto) -> Weights:
        name = node.input[1]
        return self._quantized.get(name) or Weights(self._array(node, 1).astype(np.float32))

    def _shape(self, node: onnx.NodeProto) -> Tensor:
        _, channels, rows, length = self._shapes[node.output[0]]
        return Tensor(channels, rows, length)

    def _add_layer(
        self, operator: Operator, inputs: tuple[int, ...], shape: Tensor, **more: Any
    ) -> _Stream:
        self._tensors.append(shape)
        number = len(self._tensors) - 1
        self._layers.append(Layer(operator, inputs, number, shape, **more))
        return _Stream(number, len(self._layers) - 1)

    def _append(self, node: onnx.NodeProto, step: Step, num_uses: int = 1) -> _Stream:
        """Adds a step to the layer that computes the input, which nothing else uses."""
        stream = self._stream(node)
        if stream.layer is None or self._uses[node.input[0]] != num_uses:
            raise _unknown(node)
        if self._layers[stream.layer].pool is not None:
            raise _unknown(node)
        self._layers[stream.layer] = self._layers[stream.layer].then(step)
        return stream

    def _read_norm(self, node: onnx.NodeProto) -> _Stream:
        """The mean and the deviation of each band, which come before all layers."""
        stream = self._stream(node)
        values = self._array(node, 1).astype(np.float32)
        rows = self._tensors[0].rows
        if stream.tensor != 0 or values.size != rows or values.shape[-2:] != (rows, 1):
            raise _unknown(node)
        if node.op_type == "Sub":
            self._means = values.reshape(-1)
        else:
            self._stds = values.reshape(-1)
        return stream

    def _read_convolution(self, node: onnx.NodeProto) -> _Stream:
        stream, shape, weights = self._stream(node), self._shape(node), self._weights(node)
        facts = _attributes(node)
        is_depthwise = facts["group"] > 1
        channels = self._tensors[stream.tensor].channels
        if is_depthwise and not facts["group"] == channels == shape.channels:
            raise _unknown(node)
        biases = np.zeros(shape.channels, np.float32)
        if len(node.input) > 2:
            biases = self._array(node, 2).astype(np.float32)
        return self._add_layer(
            "convolve_depthwise" if is_depthwise else "convolve",
            (stream.tensor,),
            shape,
            reach=_reach(node),
            weights=weights,
            biases=biases,
        )

    def _read_sigmoid(self, node: onnx.NodeProto) -> _Sigmoid:
        return _Sigmoid(self._stream(node))

    def _read_product(self, node: onnx.NodeProto) -> _Stream:
        gate = self._values.get(node.input[1])
        if not isinstance(gate, _Sigmoid) or gate.stream != self._stream(node):
            raise _unknown(node)
        return self._append(node, Step("silu"), num_uses=2)

    def _read_batch_norm(self, node: onnx.NodeProto) -> _Stream:
        stream = self._stream(node)
        gains, offsets, means, variances = (
            self._array(node, place).astype(np.float64) for place in range(1, 5)
        )
        factors = gains / np.sqrt(variances + _attributes(node)["epsilon"])
        offsets = offsets - means * factors
        channels, groups = len(factors) // stream.groups, stream.groups
        # Channels of a view in groups of rows are ordered by channel, then by group.
        arrays = [one.reshape(channels, groups).T.astype(np.float32) for one in (factors, offsets)]
        rows = self._tensors[stream.tensor].rows // groups
        return self._append(node, Step("scale", *arrays, rows=rows))

    def _read_max_pool(self, node: onnx.NodeProto) -> _Stream:
        stream, shape, reach = self._stream(node), self._shape(node), _reach(node)
        if reach.dilation != (1, 1) or reach.before != (0, 0):
            raise _unknown(node)
        is_apart = reach.kernel[1] <= reach.stride[1]
        if is_apart and stream.layer is not None and self._uses[node.input[0]] == 1:
            layer = self._layers[stream.layer]
            if layer.pool is None:
                self._layers[stream.layer] = replace(layer, pool=reach)
                self._tensors[stream.tensor] = shape
                return stream
        return self._add_layer("pool_max", (stream.tensor,), shape, reach=reach)

    def _read_average_pool(self, node: onnx.NodeProto) -> _Value:
        stream, kernel = self._stream(node), _reach(node).kernel
        tensor = self._tensors[stream.tensor]
        if kernel == (1, 1):
            return stream
        return self._reduce(node, stream, kernel[0] == tensor.rows, kernel[1] == tensor.length)

    def _read_reduction(self, node: onnx.NodeProto) -> _Value:
        stream = self._stream(node)
        axes = {int(axis) % 4 for axis in self._array(node, 1).reshape(-1)}
        if node.op_type == "ReduceMax":
            if axes != {_COLUMNS}:
                raise _unknown(node)
            return _Reduced(stream, "max")
        return self._reduce(node, stream, _ROWS in axes, _COLUMNS in axes)

    def _reduce(self, node: onnx.NodeProto, stream: _Stream, rows: bool, columns: bool) -> _Value:
        """The mean over rows, columns or both."""
        tensor = self._tensors[stream.tensor]
        if columns and (rows and tensor.rows > 1):
            return _Reduced(stream, "mean_of_bands")
        if columns and self._shapes[node.output[0]][_ROWS] == tensor.rows:
            return _Reduced(stream, "mean")
        if rows and self._shapes[node.output[0]][_COLUMNS] == tensor.length:
            return self._add_layer("average_rows", (stream.tensor,), replace(tensor, rows=1))
        raise _unknown(node)

    def _read_sum(self, node: onnx.NodeProto) -> _Value:
        first, second = (self._values.get(name) for name in node.input)
        if isinstance(second, _Reduced) and second.kind == "max":
            stream = self._as_mean(first)
            if stream == second.stream:
                return _Reduced(second.stream, "mean_max")
        if not isinstance(first, _Stream) or not isinstance(second, _Stream):
            raise _unknown(node)
        if self._tensors[first.tensor].rows < self._tensors[second.tensor].rows:
            first, second = second, first
        shape = self._tensors[first.tensor]
        return self._add_layer("add", (first.tensor, second.tensor), shape)

    def _as_mean(self, value: _Value | None) -> _Stream | None:
        if isinstance(value, _Reduced) and value.kind == "mean":
            return value.stream
        if isinstance(value, _Stream) and self._tensors[value.tensor].length == 1:
            return value
        return None

    def _read_reshape(self, node: onnx.NodeProto) -> _Value:
        value = self._values.get(node.input[0])
        shape = self._shapes[node.output[0]]
        if isinstance(value, _Reduced):
            return value
        stream = self._stream(node)
        tensor = self._tensors[stream.tensor]
        if len(shape) == 4 and shape[_COLUMNS] == tensor.length:
            groups, rest = divmod(shape[1], tensor.channels)
            if rest == 0 and shape[1] * shape[_ROWS] == tensor.channels * tensor.rows:
                return replace(stream, groups=groups)
        if len(shape) == 2:
            return _Reduced(stream, "all")
        raise _unknown(node)

    def _read_gather(self, node: onnx.NodeProto) -> _Value:
        """An exporter's detour: all values of an embedding in their order."""
        value, indices = self._values.get(node.input[0]), self._array(node, 1).reshape(-1)
        if not isinstance(value, _Reduced) or (indices != np.arange(indices.size)).any():
            raise _unknown(node)
        return value

    def _read_classifier(self, node: onnx.NodeProto) -> None:
        head, facts = self._values.get(node.input[0]), _attributes(node)
        if not isinstance(head, _Reduced) or head.kind == "max" or not facts.get("transB"):
            raise _unknown(node)
        tensor = self._tensors[head.stream.tensor]
        self._layers.append(Layer("summarize", (head.stream.tensor,), None, tensor))
        self._summary = head.kind
        self._classifier = (self._weights(node), self._array(node, 2).astype(np.float32))


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _reach(node: onnx.NodeProto) -> Reach:
    facts = _attributes(node)
    top, left, bottom, right = facts.get("pads", (0, 0, 0, 0))

    def pair(name: str) -> tuple[int, int]:
        rows, columns = facts.get(name, (1, 1))
        return rows, columns

    if facts.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise _unknown(node)
    return Reach(
        pair("kernel_shape"),
        pair("strides"),
        pair("dilations"),
        before=(top, left),
        after=(bottom, right),
    )


def _unknown(node: onnx.NodeProto) -> ExportError:
    name = node.name or node.output[0]
    return ExportError(
        f"--to c: the network's operator {node.op_type} ({name}) is not one that can be written in "
        "C in this place; use an architecture of earmark's, or --to onnx"
    )
