"""Architectures by name.

The contract of a registered network: it takes log-mel windows ``(batch, 1, mels, frames)`` in
decibels and gives logits ``(batch, outputs)``; its first layer, ``input_norm``, is a `BandNorm`; in
evaluation mode a window's logits do not depend on the batch it is in.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from earmark.config import ModelConfig
from earmark.errors import ConfigError
from earmark.models.norm import BandNorm


@dataclass(frozen=True)
class InputShape:
    """Size of a window: mel bands and frames."""

    n_mels: int
    num_frames: int


class AudioModel(nn.Module):
    """A network under the contract."""

    input_norm: BandNorm


Builder = Callable[[ModelConfig, InputShape, int], AudioModel]
_BUILDERS: dict[str, Builder] = {}


def register_model(name: str) -> Callable[[Builder], Builder]:
    """Registers the function that builds an architecture from its settings.

    Args:
        name: The name in ``model.name``.
    """

    def register(builder: Builder) -> Builder:
        _BUILDERS[name] = builder
        return builder

    return register


def list_models() -> list[str]:
    """Names of the registered architectures."""
    return sorted(_BUILDERS)


def build_model(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    """Builds the network that the settings name.

    Args:
        config: Its settings.
        shape: Size of the windows.
        num_outputs: Logits a window.

    Raises:
        ConfigError: No such architecture, or its layers do not fit the windows.
    """
    if config.name not in _BUILDERS:
        known = ", ".join(list_models())
        raise ConfigError(f"model.name: no architecture {config.name!r}; choose one of {known}")
    return _BUILDERS[config.name](config, shape, num_outputs)
