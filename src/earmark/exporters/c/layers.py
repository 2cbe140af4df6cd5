"""The tables of a network as C text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.exporters.c.network import Layer, Network, Reach, Step, Tensor
from earmark.exporters.c.schedule import Plan
from earmark.exporters.c.text import array, floats, record
from earmark.exporters.c.weights import Weights

_OPERATORS = {
    "convolve": "CONVOLVE",
    "convolve_depthwise": "CONVOLVE_DEPTHWISE",
    "pool_max": "POOL_MAX",
    "average_rows": "AVERAGE_ROWS",
    "add": "ADD",
    "summarize": "SUMMARIZE",
}


@dataclass(frozen=True)
class Sizes:
    """Sizes that the network needs besides its rings.

    Args:
        column: Values of the largest column before pooling.
        summary: Values that the head keeps.
        embedding: Values of an embedding.
        taps: Columns of the longest kernel.
    """

    column: int
    summary: int
    embedding: int
    taps: int


def network_sizes(network: Network) -> Sizes:
    """Sizes of a network.

    Args:
        network: Its layers.
    """
    *layers, last = network.layers
    values = last.shape.channels * last.shape.rows
    summaries = {"mean": 1, "mean_of_bands": 1, "mean_max": 2, "all": last.shape.length}
    columns = [one.shape.channels * one.shape.rows for one in layers if one.pool is not None]
    return Sizes(
        max(columns, default=1),
        values * summaries[network.summary],
        network.classifier.values.shape[1],
        max(one.reach.kernel[1] for one in network.layers),
    )


def network_tables(network: Network, plan: Plan) -> list[str]:
    """Weights, steps, tensors and layers as C text.

    Args:
        network: What to write.
        plan: Its memory.
    """
    writer = _Writer(network, plan)
    layers = [writer.layer(number, layer) for number, layer in enumerate(network.layers)]
    return [
        *writer.texts,
        _records("step steps", writer.steps or [record({"kind": "RELU"})]),
        _records("tensor tensors", writer.tensors()),
        _records("layer layers", layers),
        floats("input_means", network.means),
        floats("input_stds", network.stds),
        *weight_tables("classifier", network.classifier, network.classifier.values),
        floats("classifier_biases", network.classifier_biases),
    ]


def weight_tables(name: str, weights: Weights, values: np.ndarray) -> list[str]:
    """Weights, and their scales in 8 bits, as C text.

    Args:
        name: Of the tables.
        weights: What they are.
        values: Their values in the order of the table.
    """
    if weights.scales is None:
        return [floats(f"{name}_weights", values)]
    numbers = map(str, values.reshape(-1).tolist())
    return [array(f"signed char {name}_weights", numbers), floats(f"{name}_scales", weights.scales)]


def _records(declaration: str, records: Sequence[str]) -> str:
    lines = ",\n".join(f"    {one}" for one in records)
    return f"static const {declaration}[] = {{\n{lines}\n}};"


class _Writer:
    def __init__(self, network: Network, plan: Plan) -> None:
        self._network, self._plan = network, plan
        self.texts: list[str] = []
        self.steps: list[str] = []

    def tensors(self) -> list[str]:
        pairs = zip(self._network.tensors, self._plan.rings, strict=True)
        return [
            record(
                {
                    "first": ring.first,
                    "columns": ring.columns,
                    "above": ring.above,
                    "height": ring.height,
                    "rows": tensor.rows,
                    "channels": tensor.channels,
                    "length": tensor.length,
                }
            )
            for tensor, ring in pairs
        ]

    def layer(self, number: int, layer: Layer) -> str:
        first, *others = layer.inputs
        fields: dict[str, object] = {
            "op": _OPERATORS[layer.operator],
            "input": first,
            "other": others[0] if others else 0,
            "output": layer.output or 0,
            "rows": layer.shape.rows,
            "channels": layer.shape.channels,
            "num_columns": layer.shape.length,
            **self._reach(layer),
            **_pool(layer.pool),
            "first_step": len(self.steps),
            "num_steps": len(layer.steps),
            **self._weights(f"layer_{number}", layer),
        }
        for place, step in enumerate(layer.steps):
            self.steps.append(self._step(f"layer_{number}_step_{place}", step, layer.shape))
        return record(fields)

    def _reach(self, layer: Layer) -> dict[str, object]:
        reach = layer.reach
        # Rows that lie side by side are read as one run.
        is_dense = layer.operator == "convolve" and reach.dilation[0] == 1
        return {
            "kernel_rows": reach.kernel[0],
            "stride_rows": reach.stride[0],
            "dilation_rows": reach.dilation[0],
            "run_rows": reach.kernel[0] if is_dense else 1,
            "above": reach.before[0],
            "kernel_columns": reach.kernel[1],
            "stride_columns": reach.stride[1],
            "dilation_columns": reach.dilation[1],
            "before": reach.before[1],
        }

    def _weights(self, name: str, layer: Layer) -> dict[str, object]:
        if layer.weights is None or layer.biases is None:
            return {}
        values = layer.weights.values
        if layer.operator == "convolve":
            values = values.transpose(0, 3, 2, 1)
        else:
            values = values[:, 0].transpose(2, 1, 0)
        self.texts += weight_tables(name, layer.weights, values)
        self.texts.append(floats(f"{name}_biases", layer.biases))
        fields: dict[str, object] = {"weights": f"{name}_weights", "biases": f"{name}_biases"}
        if layer.weights.scales is not None:
            fields["scales"] = f"{name}_scales"
        return fields

    def _step(self, name: str, step: Step, shape: Tensor) -> str:
        fields: dict[str, object] = {"kind": step.kind.upper(), "rows": min(step.rows, shape.rows)}
        if step.factors is not None and step.offsets is not None:
            self.texts += [floats(f"{name}_factors", step.factors)]
            self.texts += [floats(f"{name}_offsets", step.offsets)]
            fields.update(factors=f"{name}_factors", offsets=f"{name}_offsets")
        return record(fields)


def _pool(pool: Reach | None) -> dict[str, object]:
    if pool is None:
        return {}
    return {
        "pool_rows": pool.kernel[0],
        "pool_row_step": pool.stride[0],
        "pool_columns": pool.kernel[1],
        "pool_step": pool.stride[1],
    }
