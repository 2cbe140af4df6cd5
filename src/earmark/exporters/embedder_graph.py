"""The graph of an embedder as a part of an exported model."""

import onnx
import onnx.compose
import onnx.inliner
import onnx.version_converter
from onnx import helper

from earmark.config import EmbedderConfig
from earmark.errors import ExportError
from earmark.features.embedder import EmbedderSession
from earmark.features.embedder_file import INNER_INPUT, INNER_OUTPUT, read_embedder
from earmark.system.onnx_session import one_line, start_session

OPSET = 18
"""Of all graphs that are exported."""
_PREFIX = "embedder/"
_STANDARD = ("", "ai.onnx")


def embedder_graph(config: EmbedderConfig) -> onnx.GraphProto:
    """From the windows of all clips, as the front end cuts them, to their vectors.

    An embedder that takes one window at a time becomes the body of a loop over the windows.

    Args:
        config: What it takes and gives.

    Returns:
        A graph from `INNER_INPUT` (windows, 1, bands, length) to `INNER_OUTPUT` (windows,
        dimensions), both float32.

    Raises:
        CheckpointError: Its file is missing, or is another one.
        ExportError: It takes several windows at a time and no other number, or its operators
            cannot be converted to those of `OPSET`.
    """
    file = read_embedder(config)
    session = EmbedderSession(file.config, start_session(file.content, config.file))
    if (session.fixed_batch or 1) > 1:
        raise ExportError(
            f"{config.file}: takes {session.fixed_batch} windows at a time; export the embedder "
            "with a free number of windows first"
        )
    model = _convert(file.content, config.file)
    inner = onnx.compose.add_prefix_graph(model.graph, _PREFIX)
    build = _loop if session.takes_one else _batch
    nodes, tables = build(inner, file.config, session)
    bands = 1 if config.front_end is None else config.front_end.n_mels
    return helper.make_graph(
        nodes,
        "embedder",
        [_floats(INNER_INPUT, "windows", 1, bands, config.window_length)],
        [_floats(INNER_OUTPUT, "windows", config.dimensions)],
        tables,
    )


_Parts = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _batch(inner: onnx.GraphProto, config: EmbedderConfig, session: EmbedderSession) -> _Parts:
    """Nodes and tables for all windows at once."""
    given = _PREFIX + config.input
    after = [_cast(_PREFIX + config.output, INNER_OUTPUT, onnx.TensorProto.FLOAT)]
    before = _arrange(config, session, [-1, *session.window_shape], given)
    return [*before, *inner.node, *after], [*inner.initializer]


def _loop(inner: onnx.GraphProto, config: EmbedderConfig, session: EmbedderSession) -> _Parts:
    """Nodes and tables for one window after another."""
    shape = [1, *session.window_shape] if session.fixed_batch else [*session.window_shape]
    given, vector = _PREFIX + config.input, "embedder_vector"
    body = helper.make_graph(
        [
            *inner.node,
            _cast(_PREFIX + config.output, "embedder_single_rows", onnx.TensorProto.FLOAT),
            _integers("embedder_rows_shape", [-1, config.dimensions]),
            helper.make_node(
                "Reshape", ["embedder_single_rows", "embedder_rows_shape"], ["embedder_rows"]
            ),
            # Some give a row for each of several parts of the waveform.
            _integers("embedder_rows_axis", [0]),
            helper.make_node(
                "ReduceMean", ["embedder_rows", "embedder_rows_axis"], [vector], keepdims=0
            ),
        ],
        "window",
        [helper.make_tensor_value_info(given, _type(inner, given), shape)],
        [_floats(vector, config.dimensions)],
        [*inner.initializer],
    )
    each = "embedder_windows"
    scan = helper.make_node("Scan", [each], [INNER_OUTPUT], body=body, num_scan_inputs=1)
    return [*_arrange(config, session, [-1, *shape], each), scan], []


def _arrange(
    config: EmbedderConfig, session: EmbedderSession, shape: list[int], output: str
) -> list[onnx.NodeProto]:
    """From windows as the front end cuts them to windows in the shape that the embedder takes."""
    axes = [0, 1, 3, 2] if session.has_frames_first else [0, 1, 2, 3]
    return [
        helper.make_node("Transpose", [INNER_INPUT], ["embedder_axes"], perm=axes),
        _integers("embedder_shape", shape),
        helper.make_node("Reshape", ["embedder_axes", "embedder_shape"], ["embedder_shaped"]),
        _cast("embedder_shaped", output, helper.np_dtype_to_tensor_dtype(session.dtype)),
    ]


def _type(graph: onnx.GraphProto, name: str) -> int:
    return next(one.type.tensor_type.elem_type for one in graph.input if one.name == name)


def _cast(source: str, output: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [output], to=kind)


def _integers(name: str, values: list[int]) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value_ints=values)


def _floats(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _convert(content: bytes, source: str) -> onnx.ModelProto:
    """The model with the operators of `OPSET`, without functions.

    Raises:
        ExportError: It cannot be converted.
    """
    try:
        model = onnx.inliner.inline_local_functions(onnx.load_from_string(content))
        if foreign := {node.domain for node in model.graph.node}.difference(_STANDARD):
            raise ExportError(f"{source}: has operators of {', '.join(sorted(foreign))}")
        versions = [one.version for one in model.opset_import if one.domain in _STANDARD]
        if versions == [OPSET]:
            return model
        return onnx.version_converter.convert_version(model, OPSET)
    except ExportError:
        raise
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        raise ExportError(
            f"{source}: cannot be converted to opset {OPSET}; export it with that one: "
            f"{one_line(error)}"
        ) from None
