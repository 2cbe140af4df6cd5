"""The model that is exported, from weights in PyTorch or from an exported file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import onnx

from earmark.errors import CheckpointError, ConfigError
from earmark.exporters.graph_form import GraphForm, input_sizes
from earmark.exporters.onnx_graph import OPSET, build_graph, network_graph
from earmark.inference.backend import Backend
from earmark.inference.classifier import Classifier
from earmark.inference.onnx_backend import extract_network, read_onnx
from earmark.inference.torch_backend import TorchBackend
from earmark.models.checkpoint import load_checkpoint
from earmark.models.pretrained import find_model
from earmark.models.run_folder import weights_file
from earmark.models.spec import ModelSpec
from earmark.system.hashing import content_hash
from earmark.system.runtime import pick_device

LICENCE, WEIGHTS_DIGEST, QUANTIZATION = "licence", "weights_digest", "quantization"
"""Keys of the metadata of an exported file that concern its weights."""
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Original:
    """A model to export.

    Args:
        network: Gives the graph from windows of log-mel frames to logits.
        spec: Everything that the model needs besides its weights.
        backend: Predicts with the original.
        weights_digest: Of the file that first held the weights.
        licence: Of the weights.
        quantization: What the file says about its quantization; empty if there was none.
    """

    network: Callable[[], onnx.GraphProto]
    spec: ModelSpec
    backend: Backend
    weights_digest: str
    licence: str = NOT_STATED
    quantization: str = ""

    @cached_property
    def reference(self) -> Classifier:
        """The original as a classifier."""
        return Classifier(self.spec, self.backend)

    def require_log_mel(self, target: str) -> None:
        """Checks that the model takes log-mel values.

        Args:
            target: What it is exported to.

        Raises:
            ConfigError: It takes the vectors of an embedder.
        """
        if self.spec.config.features.embedder is not None:
            raise ConfigError(
                f"--to {target}: the front end is an embedder, which only --to onnx can hold"
            )

    def with_network(self, network: onnx.GraphProto) -> "Original":
        """The same model with another network of the same inputs and outputs, which predicts.

        Args:
            network: From windows of log-mel frames to logits, such as the original's in 8 bits.
        """
        graph = build_graph(network, self.spec, GraphForm("log-mel"), {})
        _, backend = read_onnx(graph.SerializeToString(), "the quantized network")
        return replace(self, network=lambda: network, backend=backend)


def open_original(model: Path | str) -> Original:
    """Opens a model to export it.

    Args:
        model: A run folder, a ``.safetensors`` or ``.onnx`` file, or the name of a model inside
            the package.

    Raises:
        CheckpointError: It cannot be opened, or was exported with another version of ONNX's
            operators.
    """
    path = find_model(model)
    if path.suffix.lower() == ".onnx" and path.is_file():
        return _open_exported(path)
    checkpoint = load_checkpoint(path)
    network = checkpoint.build()
    backend = TorchBackend(network, pick_device("cpu"), checkpoint.novelty)
    digest = content_hash(weights_file(path))
    return Original(
        # It takes seconds.
        cache(lambda: network_graph(network, checkpoint.spec, checkpoint.novelty)),
        *(checkpoint.spec, backend, digest),
    )


def _open_exported(path: Path) -> Original:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    spec, backend = read_onnx(content, str(path))
    file = onnx.load_from_string(content)
    if [one.version for one in file.opset_import if not one.domain] != [OPSET]:
        raise CheckpointError(
            f"{path}: its operators are not those of opset {OPSET}; export the run it came from"
        )
    network = extract_network(file).graph
    if None not in input_sizes(network):
        raise CheckpointError(f"{path}: its shapes are fixed; export the model it came from")
    # Inputs among the values would get another name inside a larger graph.
    network.ClearField("value_info")
    network.name = "earmark"
    metadata = read_metadata(file)
    return Original(
        lambda: network,
        spec,
        backend,
        metadata.get(WEIGHTS_DIGEST) or content_hash(path),
        metadata.get(LICENCE, NOT_STATED),
        metadata.get(QUANTIZATION, ""),
    )


def read_metadata(file: onnx.ModelProto) -> Mapping[str, str]:
    """The metadata of a file."""
    return {one.key: one.value for one in file.metadata_props}
