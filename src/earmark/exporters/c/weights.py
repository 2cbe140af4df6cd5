"""Weights in 8 bits: whole numbers, and a scale for each output channel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from earmark.system.shapes import Float32

LARGEST = 127
"""So that zero is in the middle."""
_WEIGHTED = ("Conv", "Gemm")


@dataclass(frozen=True)
class Weights:
    """Weights as they are stored.

    Args:
        values: The first axis is that of the output channels; float32, or int8 to be scaled.
        scales: Of each output channel; None for float32.
    """

    values: np.ndarray
    scales: Float32[np.ndarray, " channels"] | None = None

    def rounded(self) -> Float32[np.ndarray, "channels *rest"]:
        """The weights in effect."""
        if self.scales is None:
            return self.values
        return self.values.astype(np.float32) * self.scales.reshape(
            -1, *[1] * (self.values.ndim - 1)
        )


def quantize(values: Float32[np.ndarray, "channels *rest"]) -> Weights:
    """The nearest weights in 8 bits: in each output channel the largest is 127 of its scale.

    Args:
        values: The first axis is that of the output channels.

    Example:
        >>> weights = quantize(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32))
        >>> weights.values.tolist()
        [[64, -127], [0, 0]]
        >>> bool(np.abs(weights.rounded()[0] - [0.5, -1.0]).max() < 0.5 / 127)
        True
    """
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scales = np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)
    shape = (-1, *[1] * (values.ndim - 1))
    numbers = np.clip(np.rint(values / scales.reshape(shape)), -LARGEST, LARGEST)
    return Weights(numbers.astype(np.int8), scales)


def quantize_graph(graph: onnx.GraphProto) -> tuple[onnx.GraphProto, Mapping[str, Weights]]:
    """A network with the values of weights in 8 bits.

    Args:
        graph: From log-mel windows to logits.

    Returns:
        The graph with rounded weights in float32, and the weights in 8 bits by name.
    """
    rounded = onnx.GraphProto()
    rounded.CopyFrom(graph)
    names = {node.input[1] for node in graph.node if node.op_type in _WEIGHTED}
    found: dict[str, Weights] = {}
    for array in rounded.initializer:
        if array.name in names:
            weights = quantize(numpy_helper.to_array(array))
            found[array.name] = weights
            array.CopyFrom(numpy_helper.from_array(weights.rounded(), array.name))
    return rounded, found
