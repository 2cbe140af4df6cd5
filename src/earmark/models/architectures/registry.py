"""Architectures by name.

The contract of a registered network: it takes log-mel windows ``(batch, 1, mels, frames)`` in
decibels and gives logits ``(batch, outputs)``; its first layer, ``input_norm``, is a `BandNorm`; in
evaluation mode a window's logits do not depend on the batch it is in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from earmark.config import ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.norm import BandNorm


@dataclass(frozen=True)
class InputShape:
    """Size of a window: mel bands and frames."""

    n_mels: int
    num_frames: int


class AudioModel(nn.Module):
    """A network under the contract."""

    input_norm: BandNorm


Builder = Callable[[ModelConfig, InputShape, int], AudioModel]


@dataclass(frozen=True)
class _Architecture:
    builder: Builder
    settings: tuple[str, ...]
    source: str


_ARCHITECTURES: dict[str, _Architecture] = {}


def register_model(
    name: str, *, settings: Sequence[str], source: str
) -> Callable[[Builder], Builder]:
    """Registers the function that builds an architecture from its settings.

    Args:
        name: The name in ``model.name``.
        settings: The settings of ``model`` that it reads; a change of any other is an error.
        source: Where the architecture is described, in a few words.
    """

    def register(builder: Builder) -> Builder:
        _ARCHITECTURES[name] = _Architecture(builder, tuple(settings), source)
        return builder

    return register


def list_models() -> list[str]:
    """Names of the registered architectures."""
    return sorted(_ARCHITECTURES)


def model_source(name: str) -> str:
    """Where a registered architecture is described, in a few words.

    Example:
        >>> model_source("bc_resnet")
        'Kim et al. 2021, arXiv:2106.04140'
    """
    return _ARCHITECTURES[name].source


def build_model(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    """Builds the network that the settings name.

    Args:
        config: Its settings.
        shape: Size of the windows.
        num_outputs: Logits a window.

    Raises:
        ConfigError: No such architecture, or its layers do not fit the windows.
    """
    return _find(config.name).builder(config, shape, num_outputs)


def _find(name: str) -> _Architecture:
    if name not in _ARCHITECTURES:
        known = ", ".join(list_models())
        raise ConfigError(f"model.name: no architecture {name!r}; choose one of {known}")
    return _ARCHITECTURES[name]


def refuse_unread(config: ModelConfig) -> None:
    """Checks new settings; those of a trained model may be older than the defaults.

    Args:
        config: Settings of a network that is to be trained.

    Raises:
        ConfigError: A setting that the architecture does not read differs from its default.
    """
    read = _find(config.name).settings
    for setting, field in ModelConfig.model_fields.items():
        if setting in ("name", *read) or getattr(config, setting) == field.default:
            continue
        readers = [name for name, one in _ARCHITECTURES.items() if setting in one.settings]
        raise ConfigError(
            f"model.{setting}: {config.name} does not read it; leave it out, or set model.name to "
            f"one that does: {', '.join(sorted(readers))}"
        )
