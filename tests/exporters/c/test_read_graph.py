"""From graphs to layers: what is known, and what is refused by name."""

import onnx
import pytest

from earmark.errors import ExportError
from earmark.exporters.c.read_graph import read_network
from earmark.exporters.original import open_original


@pytest.fixture(scope="module")
def graph():
    return open_original("speech-music").network()


def test_each_block_is_one_layer(graph):
    network = read_network(graph, {})
    *blocks, last = network.layers
    assert [one.operator for one in blocks] == ["convolve"] * 4
    assert [[step.kind for step in one.steps] for one in blocks] == [["relu", "scale"]] * 4
    assert all(one.pool is not None for one in blocks)
    assert (last.operator, network.summary) == ("summarize", "mean")
    assert network.classifier.values.shape == (2, 160)


def test_an_operator_that_is_not_known_is_named(graph):
    other = onnx.GraphProto()
    other.CopyFrom(graph)
    next(node for node in other.node if node.op_type == "Relu").op_type = "Tanh"
    with pytest.raises(ExportError, match="Tanh"):
        read_network(other, {})


def test_a_known_operator_in_another_place_is_refused(graph):
    other = onnx.GraphProto()
    other.CopyFrom(graph)
    pool = next(node for node in other.node if node.op_type == "MaxPool")
    relu = onnx.helper.make_node("Relu", [pool.output[0]], ["after_pool"])
    index = list(other.node).index(pool)
    other.node.insert(index + 1, relu)
    other.node[index + 2].input[0] = "after_pool"
    with pytest.raises(ExportError, match="Relu"):
        read_network(other, {})
