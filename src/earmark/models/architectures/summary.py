"""The cost of a network: output size, parameters and multiply-adds of each layer."""

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from earmark.config import ModelConfig
from earmark.models.architectures.registry import (
    Builder,
    InputShape,
    build_model,
    list_models,
    model_builder,
    model_source,
)


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its path in the network, type, output size without the batch, and cost."""

    name: str
    type: str
    output_size: tuple[int, ...]
    num_parameters: int
    num_multiply_adds: int


@dataclass(frozen=True)
class ModelSummary:
    """An architecture at its default settings: its cost for one window, and its source."""

    name: str
    num_parameters: int
    num_multiply_adds: int
    source: str


@dataclass(frozen=True)
class Cost:
    """What a network takes: its parameters, and the values of the largest output of a layer."""

    num_parameters: int
    largest_output: int


def network_cost(config: ModelConfig, shape: InputShape, num_outputs: int) -> Cost:
    """The cost of a network for one window, found without memory for its weights.

    Args:
        config: Its settings.
        shape: Size of the window.
        num_outputs: Logits a window.

    Raises:
        ConfigError: No such architecture, or its layers do not fit the windows.

    Example:
        >>> network_cost(ModelConfig(name="cp_resnet"), InputShape(40, 101), 1).largest_output
        32640
    """
    return _cost(model_builder(config.name), config, shape, num_outputs)


# A training asks for the same network several times, and the answer takes a tenth of a second.
@lru_cache(maxsize=64)
def _cost(builder: Builder, config: ModelConfig, shape: InputShape, num_outputs: int) -> Cost:
    with torch.device("meta"):
        network = builder(config, shape, num_outputs)
        largest = max(math.prod(layer.output_size) for layer in summarize(network, shape))
    return Cost(count_parameters(network), largest)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(one.numel() for one in model.parameters() if one.requires_grad)


def summarize(model: nn.Module, shape: InputShape) -> list[LayerSummary]:
    """Runs one window through the network and describes each layer.

    Multiply-adds are counted for convolutions and linear layers, which dominate, without biases.

    Args:
        model: The network; it is put in evaluation mode.
        shape: Size of the window.
    """
    layers: list[LayerSummary] = []
    hooks = [
        module.register_forward_hook(partial(_note, layers, name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    model.eval()
    try:
        with torch.no_grad():
            device = next(model.parameters()).device
            model(torch.zeros(1, 1, shape.n_mels, shape.num_frames, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def describe_models(shape: InputShape, num_outputs: int = 1) -> list[ModelSummary]:
    """The cost of each registered architecture at its default settings.

    Args:
        shape: Size of the window.
        num_outputs: Logits a window.

    Example:
        >>> [one.name for one in describe_models(InputShape(40, 101))]
        ['audio_cnn', 'bc_resnet', 'cp_resnet', 'linear']
    """
    summaries = []
    for name in list_models():
        network = build_model(ModelConfig(name=name), shape, num_outputs)
        multiply_adds = sum(layer.num_multiply_adds for layer in summarize(network, shape))
        summaries.append(
            ModelSummary(name, count_parameters(network), multiply_adds, model_source(name))
        )
    return summaries


def _note(
    layers: list[LayerSummary], name: str, module: nn.Module, inputs: Any, output: Tensor
) -> None:
    size = tuple(output.shape[1:])
    multiply_adds = 0
    if isinstance(module, nn.Conv2d):
        multiply_adds = output[0].numel() * module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        multiply_adds = module.weight.numel() * (output[0].numel() // module.out_features)
    layers.append(
        LayerSummary(name, type(module).__name__, size, count_parameters(module), multiply_adds)
    )
