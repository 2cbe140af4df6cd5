"""One ``.safetensors`` file: weights, settings, labels and the state of training. No pickle.

Opening a model runs no code of its file, and the same model gives the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from earmark.errors import CheckpointError, ConfigError
from earmark.models.architectures.registry import AudioModel, InputShape, build_model, refuse_unused
from earmark.models.architectures.summary import Cost, network_cost
from earmark.models.onnx_checkpoint import (
    read_onnx_weights,
    require_same_logits,
    state_from_graph,
)
from earmark.models.pretrained import find_model
from earmark.models.run_folder import RunFolder
from earmark.models.spec import (
    METADATA_KEY,
    TESTED_DB,
    ModelSpec,
    describe_not_finite,
    read_spec,
    require_small_windows,
)
from earmark.system.files import atomic_write
from earmark.tasks.novelty import Novelty

_MODEL = "model."
_OPTIMIZER = "optimizer."
_AVERAGE = "average."
_NOVELTY = "novelty."
MAX_LAYER_VALUES = 1 << 26
"""Values of the output of a layer for one window: a quarter of a gigabyte."""


def new_network(spec: ModelSpec) -> AudioModel:
    """The network of a specification, with new weights to train.

    Raises:
        ConfigError: A setting does not fit the network.
    """
    refuse_unused(spec.config.model)
    return _network(spec)


def require_network(spec: ModelSpec) -> None:
    """Checks that the settings make a network, without memory for its weights.

    Raises:
        ConfigError: A setting does not fit it, or it has more parameters than the recipe allows.
    """
    refuse_unused(spec.config.model)
    num_parameters, limit = _small_cost(spec).num_parameters, spec.config.recipe.parameters
    if limit is not None and num_parameters > limit:
        raise ConfigError(
            f"recipe.parameters = {limit}: the network has {num_parameters:,}; use fewer channels "
            "or bands, or raise it"
        )


def require_short_windows(spec: ModelSpec) -> None:
    """Checks that windows are long enough for the network, also when augmentation shortens them.

    Raises:
        ConfigError: They are not.
    """
    shortest = spec.config.augment.shortest
    if shortest == 1:
        require_network(spec)
        return
    try:
        num_frames = max(1, math.floor(spec.window_frames * shortest))
        require_network(replace(spec, window_frames=num_frames))
    except ConfigError as error:
        raise ConfigError(f"augment.shortest = {shortest} is too short: {error}") from None


def _network(spec: ModelSpec) -> AudioModel:
    """The network of a specification, for weights that exist."""
    return build_model(spec.config.model, _shape(spec), spec.num_outputs)


def _shape(spec: ModelSpec) -> InputShape:
    return InputShape(spec.config.features.n_mels, spec.window_frames)


def _small_cost(spec: ModelSpec) -> Cost:
    """The cost of a network, of which one window must fit in memory."""
    require_small_windows(spec.config.features.n_mels, spec.window_frames)
    cost = network_cost(spec.config.model, _shape(spec), spec.num_outputs)
    if cost.largest_output > MAX_LAYER_VALUES:
        raise ConfigError(
            f"a layer has {cost.largest_output:,} values for a window of {spec.window_frames:,} "
            f"frames, more than {MAX_LAYER_VALUES:,}; use shorter windows or fewer channels"
        )
    return cost


def _require_finite(network: AudioModel, spec: ModelSpec, name: str) -> AudioModel:
    """The network, if its logits of a constant window are finite."""
    window = torch.full((1, 1, spec.config.features.n_mels, spec.window_frames), TESTED_DB)
    with torch.inference_mode():
        is_finite = bool(torch.isfinite(network(window)).all())
    if not is_finite:
        raise CheckpointError(describe_not_finite(name))
    return network


@dataclass(frozen=True)
class Checkpoint:
    """A network with its specification and the state of its training.

    Args:
        spec: What the network needs beside its weights.
        model: Weights and buffers by name.
        optimizer: The optimizer's state by name; empty unless training can resume from here.
        progress: State of the training loop, as plain JSON values.
        average: Moving average of the weights by name; empty unless training can resume from here.
        path: The file that it was read from, named in errors.
        novelty: Scores how unlike training sound is; None where it was not fitted.
    """

    spec: ModelSpec
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)
    path: Path | None = None
    novelty: Novelty | None = None

    def build(self) -> AudioModel:
        """The network with its weights, in evaluation mode, on the CPU.

        Raises:
            CheckpointError: The weights do not fit the settings, or give logits that are not
                finite.
        """
        weights = dict(self.model)
        try:
            # Sizes only, at first: a damaged file may ask for more memory than there is.
            with torch.device("meta"):
                _network(self.spec).load_state_dict(weights, assign=True)
            _small_cost(self.spec)
            model = _network(self.spec)
            model.load_state_dict(weights)
        except (RuntimeError, ConfigError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"{self.path or 'a new model'}: its weights do not fit its settings ({reason}); "
                "copy the file again from where it was trained, or train again"
            ) from None
        if self.novelty and self.novelty.centers.shape[1] != model.classifier.in_features:
            raise CheckpointError(f"{self.path}: damaged: its novelty score is of another network")
        return _require_finite(model.eval(), self.spec, f"{self.path or 'a new model'}")

    def adjust(self, settings: Sequence[str]) -> "Checkpoint":
        """The same weights with a specification that is adjusted as by `ModelSpec.adjust`."""
        return replace(self, spec=self.spec.adjust(settings))

    def save(self, path: Path) -> None:
        """Writes the file whole."""
        tensors = {_MODEL + name: one for name, one in self.model.items()}
        tensors |= {_OPTIMIZER + name: one for name, one in self.optimizer.items()}
        tensors |= {_AVERAGE + name: one for name, one in self.average.items()}
        if self.novelty is not None:
            arrays = self.novelty.arrays
            tensors |= {_NOVELTY + name: torch.from_numpy(one) for name, one in arrays.items()}
        on_cpu = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
        text = self.spec.to_text(progress=dict(self.progress))
        # One metadata key: the library does not keep the order of several.
        atomic_write(path, save(on_cpu, {METADATA_KEY: text}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Opens a ``.safetensors`` file that earmark wrote, or a run folder's best weights.

    Of an exported ``.onnx`` file that takes log-mel windows the weights are read, if its graph
    holds them as they were trained.

    Raises:
        CheckpointError: It is missing, damaged, not earmark's, or holds values that are not finite.
    """
    path = find_model(path)
    if path.is_dir():
        path = RunFolder(path).best
    if not path.is_file():
        raise CheckpointError(f"{path}: no such model; give a run folder or a .safetensors file")
    if path.suffix.lower() == ".onnx":
        return _from_onnx(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole .safetensors file: {error}") from None
    spec, progress = read_spec(metadata, str(path))
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; train again")
    return Checkpoint(
        spec.find_embedder(path),
        _strip(tensors, _MODEL),
        _strip(tensors, _OPTIMIZER),
        progress,
        _strip(tensors, _AVERAGE),
        path,
        _read_novelty(_strip(tensors, _NOVELTY), spec, path),
    )


def _from_onnx(path: Path) -> Checkpoint:
    """A checkpoint of the weights in a graph that takes log-mel windows, compared with it."""
    spec, graph = read_onnx_weights(path)
    spec = spec.find_embedder(path)
    _small_cost(spec)
    with torch.device("meta"):
        network = _network(spec)
    checkpoint = Checkpoint(spec, state_from_graph(graph, network, path), path=path)
    require_same_logits(graph, checkpoint.build(), path)
    return checkpoint


def _read_novelty(tensors: Mapping[str, Tensor], spec: ModelSpec, path: Path) -> Novelty | None:
    if not tensors:
        return None
    try:
        return Novelty.from_arrays(
            {name: one.numpy() for name, one in tensors.items()}, spec.task, len(spec.labels)
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged: {error}; copy the file again") from None


def _strip(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)
    }


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimizer's state, named ``index.key``."""
    return {
        f"{index}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts the tensors of `flatten_optimizer` back, in the memory layout of their weights.

    Fused optimizers read weights and state side by side as they lie in memory; a file holds all
    tensors in one layout.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        weight = weights[int(index)]
        if tensor.shape == weight.shape:
            tensor = torch.empty_like(weight, dtype=tensor.dtype).copy_(tensor)
        state.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
