"""How many columns of each tensor exist at a time, and where they lie in memory.

The generated code runs the layers from the last to the first, each by one column if it can, and
again until none can; here the same is done without values. So a tensor needs no more columns than
were ever needed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.exporters.c.network import Layer, Network, Reach, Tensor


@dataclass(frozen=True)
class Ring:
    """The memory of a tensor.

    Args:
        first: Place of its first value.
        columns: Number of columns.
        above: Rows of zeros above each column.
        height: Rows of a column with the zeros above and below.
    """

    first: int
    columns: int
    above: int
    height: int


@dataclass(frozen=True)
class Plan:
    """The memory of a network.

    Args:
        rings: Of each tensor.
        num_values: Values of all rings.
    """

    rings: Sequence[Ring]
    num_values: int


def plan_memory(network: Network) -> Plan:
    """The memory that a network needs to run column by column.

    Args:
        network: Its tensors and layers.
    """
    columns = _Simulation(network).run()
    above, below = _zero_rows(network)
    rings, first = [], 0
    for number, tensor in enumerate(network.tensors):
        height = above[number] + tensor.rows + below[number]
        rings.append(Ring(first, columns[number], above[number], height))
        first += columns[number] * height * tensor.channels
    return Plan(rings, first)


def _zero_rows(network: Network) -> tuple[list[int], list[int]]:
    above, below = [0] * len(network.tensors), [0] * len(network.tensors)
    for layer in network.layers:
        number = layer.inputs[0]
        above[number] = max(above[number], layer.reach.before[0])
        below[number] = max(below[number], layer.reach.after[0])
    return above, below


class _Simulation:
    """Counts columns, as `run_layer` of the generated code computes them."""

    def __init__(self, network: Network) -> None:
        self._layers = network.layers
        self._tensors = network.tensors
        self._counts = [0] * len(network.tensors)
        self._runs = [0] * len(network.layers)
        self._users: list[list[tuple[int, int]]] = [[] for _ in network.tensors]
        for number, layer in enumerate(network.layers):
            for place, tensor in enumerate(layer.inputs):
                self._users[tensor].append((number, place))
        self._needed = [1] * len(network.tensors)

    def run(self) -> list[int]:
        for column in range(self._tensors[0].length):
            self._write(0, column)
            self._counts[0] += 1
            while self._sweep():
                pass
        assert self._runs[-1] == self._layers[-1].shape.length
        return self._needed

    def _sweep(self) -> bool:
        """Runs each layer that can be; whether any was."""
        before = sum(self._runs)
        for number in reversed(range(len(self._layers))):
            self._run(number)
        return sum(self._runs) > before

    def _run(self, number: int) -> None:
        layer, column = self._layers[number], self._runs[number]
        if column == layer.shape.length or not self._is_ready(layer, column):
            return
        if layer.output is not None:
            self._compute(layer, layer.output, column)
        self._runs[number] += 1

    def _is_ready(self, layer: Layer, column: int) -> bool:
        first, *others = layer.inputs
        last = min(layer.reach.columns(column)[1], self._tensors[first].length - 1)
        return last < self._counts[first] and all(column < self._counts[one] for one in others)

    def _compute(self, layer: Layer, output: int, column: int) -> None:
        if layer.pool is None:
            self._write(output, column)
            self._counts[output] = column + 1
            return
        place = pooled_column(layer.pool, self._tensors[output], column)
        if place is None:
            return
        self._write(output, place)
        if column % layer.pool.stride[1] == layer.pool.kernel[1] - 1 or (
            column == layer.shape.length - 1
        ):
            self._counts[output] = place + 1

    def _write(self, tensor: int, column: int) -> None:
        """Notes how far back the users of a tensor still reach when a column is written."""
        oldest = min((self._oldest(*user) for user in self._users[tensor]), default=column)
        self._needed[tensor] = max(self._needed[tensor], column - min(oldest, column) + 1)

    def _oldest(self, number: int, place: int) -> int:
        layer = self._layers[number]
        # A layer that computes a column at this moment still reads what it reaches.
        column = self._runs[number]
        if column >= layer.shape.length:
            return self._tensors[layer.inputs[place]].length
        return column if place else max(0, layer.reach.columns(column)[0])


def pooled_column(pool: Reach, output: Tensor, column: int) -> int | None:
    """The column of a pooled tensor that a column goes into; None if it goes into none.

    Args:
        pool: A pooling whose kernels do not overlap.
        output: What it gives.
        column: Before pooling.
    """
    place, within = divmod(column, pool.stride[1])
    return place if within < pool.kernel[1] and place < output.length else None
