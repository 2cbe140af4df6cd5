"""The weights of a network in PyTorch, from a graph that was exported from it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from earmark.errors import CheckpointError, needs_extra
from earmark.models.architectures.registry import AudioModel
from earmark.models.spec import ModelSpec, read_spec

if TYPE_CHECKING:
    import onnx

logger = logging.getLogger(__name__)

_LOG_MEL, _LOGITS, _NOVELTY = "log_mel", "logits", "novelty"
_EXPORTED_PREFIX = "network."
_TOLERANCE = 1e-3
_COUNTER = "num_batches_tracked"
_NUM_WINDOWS = 4

Arrays = Mapping[str, np.ndarray]


def read_onnx_weights(path: Path) -> tuple[ModelSpec, "onnx.ModelProto"]:
    """The specification and the graph of an exported file.

    Raises:
        CheckpointError: It is damaged, not earmark's, or takes something else than log-mel windows.
        MissingExtraError: The extra ``onnx`` is not installed.
    """
    with needs_extra(f"{path}: the weights of an ONNX model"):
        import onnx
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - the file is untrusted
        raise CheckpointError(
            f"{path}: not an ONNX model: {' '.join(str(error).split())}"
        ) from None
    spec, _ = read_spec({one.key: one.value for one in model.metadata_props}, str(path))
    if [one.name for one in model.graph.input] != [_LOG_MEL]:
        raise CheckpointError(
            f"{path}: takes a waveform; here give the run folder or the .safetensors file that it "
            "was exported from, or export it with --input log-mel"
        )
    if _NOVELTY in [one.name for one in model.graph.output]:
        logger.info(f"note: {path}: its score of unlike sound is left out here")
    return spec, model


def state_from_graph(
    model: "onnx.ModelProto", network: AudioModel, path: Path
) -> dict[str, torch.Tensor]:
    """The weights and buffers of a network by name.

    Args:
        model: From `read_onnx_weights`.
        network: Of its specification; only names and shapes are used.
        path: The file, for messages.

    Raises:
        CheckpointError: The export has changed the weights, as it does for networks whose
            convolutions are followed by a normalisation.
    """
    found = _tables(model)
    state = {}
    for name, one in network.state_dict().items():
        values = found.get(name)
        if values is None and name.endswith(_COUNTER):
            values = np.zeros((), np.int64)
        if values is None or values.size != one.numel():
            raise CheckpointError(
                f"{path}: {name} is not in this graph as it was trained; here give the run folder "
                "or the .safetensors file that it was exported from"
            )
        state[name] = torch.from_numpy(values.reshape(tuple(one.shape)).copy())
    return state


def require_same_logits(model: "onnx.ModelProto", network: AudioModel, path: Path) -> None:
    """Checks that the network gives what the graph gives.

    Raises:
        CheckpointError: It does not.
    """
    (given,) = model.graph.input
    mels, frames = (one.dim_value for one in given.type.tensor_type.shape.dim[2:])
    rng = np.random.default_rng(0)
    windows = rng.normal(-40.0, 15.0, (_NUM_WINDOWS, 1, mels, frames)).astype(np.float32)
    try:
        # What it returns depends on the graph.
        session: Any = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        # One by one: the graph may take a single window only.
        expected = np.concatenate(
            [session.run([_LOGITS], {_LOG_MEL: one[None]})[0] for one in windows]
        )
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        raise CheckpointError(f"{path}: cannot be run: {' '.join(str(error).split())}") from None
    with torch.inference_mode():
        logits = network(torch.from_numpy(windows)).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    # Not ">", which is false for NaN.
    if not float(np.abs(logits - expected).max()) <= _TOLERANCE * scale:
        raise CheckpointError(
            f"{path}: its graph is not the network of its settings; here give the run folder or "
            "the .safetensors file that it was exported from"
        )


def _tables(model: "onnx.ModelProto") -> dict[str, np.ndarray]:
    """The tables of a graph by the names that they have in the network."""
    from onnx import numpy_helper

    raw = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    found = {name.removeprefix(_EXPORTED_PREFIX): values for name, values in raw.items()}
    for node in model.graph.node:
        tables = [raw[name] for name in node.input if name in raw]
        if node.op_type == "Gemm" and list(node.output) == [_LOGITS] and len(tables) == 2:
            found["classifier.weight"], found["classifier.bias"] = tables
        # The graph holds these two as columns, without their names.
        for kind, name in (("Sub", "input_norm.mean"), ("Div", "input_norm.std")):
            if node.op_type == kind and len(tables) == 1:
                found.setdefault(name, tables[0])
    return found
