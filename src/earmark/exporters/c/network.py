"""A network as layers that run column by column: each as soon as the columns it needs are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from earmark.exporters.c.weights import Weights
from earmark.system.shapes import Float32

Operator = Literal["convolve", "convolve_depthwise", "pool_max", "average_rows", "add", "summarize"]
Summary = Literal["mean", "mean_max", "mean_of_bands", "all"]
"""What the head keeps of all columns: their mean, that and their maximum added, their mean over
bands too, or every value."""


@dataclass(frozen=True)
class Tensor:
    """Values of a window, ``(channels, rows, length)``, of which few columns exist at a time.

    Args:
        channels: Channels.
        rows: Rows of a column, which are bands of sound.
        length: Columns of a window, which are steps in time.
    """

    channels: int
    rows: int
    length: int


@dataclass(frozen=True)
class Step:
    """What is computed of single values.

    Args:
        kind: ``relu``, ``silu`` or ``scale``.
        factors: Of ``scale``, (groups of rows, channels).
        offsets: As ``factors``.
        rows: Neighbouring rows that share a row of ``factors``.
    """

    kind: Literal["relu", "silu", "scale"]
    factors: Float32[np.ndarray, "groups channels"] | None = None
    offsets: Float32[np.ndarray, "groups channels"] | None = None
    rows: int = 1


@dataclass(frozen=True)
class Reach:
    """What a kernel covers, along rows and along columns.

    Args:
        kernel: Its size.
        stride: From one to the next.
        dilation: Between its points.
        before: Zeros before the first row and column.
        after: Zeros after the last ones.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)

    def columns(self, index: int) -> tuple[int, int]:
        """The first and the last column of the input that an output depends on."""
        first = index * self.stride[1] - self.before[1]
        return first, first + (self.kernel[1] - 1) * self.dilation[1]


@dataclass(frozen=True)
class Layer:
    """An operator, the steps after it, and pooling.

    Args:
        operator: What is computed from the inputs.
        inputs: Numbers of tensors; two for ``add``.
        output: Number of a tensor; None for ``summarize``.
        shape: Of what the operator computes, before pooling.
        reach: What it covers of the first input.
        steps: In order.
        pool: A pooling of the result whose kernels do not overlap in time.
        weights: Of a convolution.
        biases: Of a convolution.
    """

    operator: Operator
    inputs: tuple[int, ...]
    output: int | None
    shape: Tensor
    reach: Reach = Reach()
    steps: tuple[Step, ...] = ()
    pool: Reach | None = None
    weights: Weights | None = None
    biases: Float32[np.ndarray, " channels"] | None = None

    def then(self, step: Step) -> "Layer":
        """With one more step."""
        return replace(self, steps=(*self.steps, step))


@dataclass(frozen=True)
class Network:
    """All layers, in an order in which inputs come first; the last one is the summary.

    Args:
        tensors: The first is the input.
        layers: As they are computed.
        summary: What the head keeps.
        means: Of each band of the input.
        stds: As ``means``.
        classifier: (outputs, embedding).
        classifier_biases: Of each output.
        novelty: Arrays of the score of novelty by name; empty for a model without.
    """

    tensors: Sequence[Tensor]
    layers: Sequence[Layer]
    summary: Summary
    means: Float32[np.ndarray, " bands"]
    stds: Float32[np.ndarray, " bands"]
    classifier: Weights
    classifier_biases: Float32[np.ndarray, " outputs"]
    novelty: Mapping[str, np.ndarray] = field(default_factory=dict)
