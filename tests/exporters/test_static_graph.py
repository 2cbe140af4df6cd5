import onnx.parser
import pytest

from earmark.errors import ExportError
from earmark.exporters.static_graph import make_static


def graph(body):
    text = f'<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[m] y) {{{body}}}'
    return onnx.parser.parse_model(text)


def test_what_depends_on_shapes_becomes_constant():
    body = "n = Shape (x) zero = Constant <value_ints = [0]> () pads = Concat <axis = 0> (zero, n)"
    model = graph(f"{body} y = Pad (x, pads)")
    static = make_static(model, [5])
    assert [node.op_type for node in static.graph.node] == ["Pad"]
    sizes = [one.type.tensor_type.shape.dim[0].dim_value for one in static.graph.output]
    assert sizes == [10]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_a_shape_that_depends_on_values_is_refused():
    with pytest.raises(ExportError, match="y"):
        make_static(graph("large = NonZero (x) cut = Cast <to = 1> (large) y = Squeeze (cut)"), [5])
