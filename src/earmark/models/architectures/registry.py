"""Architectures by name.

The contract of a registered network is `AudioModel`: it maps log-mel windows in decibels to logits;
its first layer, ``input_norm``, is a `BandNorm`; its last, ``classifier``, gets what
`AudioModel.forward_embedding` returns; in evaluation mode the logits of a window do not
depend on the other windows of its batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from earmark.config import ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.norm import BandNorm
from earmark.system.shapes import Float

BUILT_IN = ("audio_cnn", "bc_resnet", "cp_resnet", "linear")
"""Modules that are imported, and so registered, when an architecture is first looked up."""


@dataclass(frozen=True)
class InputShape:
    """Size of a window: mel bands and frames."""

    n_mels: int
    num_frames: int


class AudioModel(nn.Module):
    """A network under the contract: a subclass computes features and may replace their pooling."""

    input_norm: BandNorm
    dropout: nn.Dropout
    classifier: nn.Linear

    def forward_features(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch channels bands steps"]:
        """The output of the last convolution layer.

        Args:
            log_mel: Log-mel band energies in decibels.
        """
        raise NotImplementedError

    def forward_pooling(
        self, features: Float[Tensor, "batch channels bands steps"]
    ) -> Float[Tensor, "batch channels"]:
        """Features without their position: their mean over bands and frames.

        Args:
            features: From `forward_features`.
        """
        return adaptive_avg_pool2d(features, (1, 1)).flatten(start_dim=1)

    def forward_embedding(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch channels"]:
        """What the network knows of each window: the input of dropout and classifier.

        Args:
            log_mel: Log-mel band energies in decibels.
        """
        return self.forward_pooling(self.forward_features(log_mel))

    def forward_head(
        self, embedding: Float[Tensor, "batch channels"]
    ) -> Float[Tensor, "batch outputs"]:
        """Logits from embeddings: dropout, then the classifier.

        Args:
            embedding: From `forward_embedding`.
        """
        return self.classifier(self.dropout(embedding))

    def forward(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch outputs"]:
        """Logits of each window.

        Args:
            log_mel: Log-mel band energies in decibels.
        """
        return self.forward_head(self.forward_embedding(log_mel))


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
        settings: The settings of ``model`` that it uses; changing any other is an error.
        source: The paper that describes it, in a few words.
    """

    def register(builder: Builder) -> Builder:
        _ARCHITECTURES[name] = _Architecture(builder, tuple(settings), source)
        return builder

    return register


def _architectures() -> Mapping[str, _Architecture]:
    for name in BUILT_IN:
        import_module(f"earmark.models.architectures.{name}")
    return _ARCHITECTURES


def list_models() -> list[str]:
    """Names of the registered architectures."""
    return sorted(_architectures())


def model_source(name: str) -> str:
    """The paper that describes a registered architecture, in a few words.

    Example:
        >>> model_source("bc_resnet")
        'Kim et al. 2021, arXiv:2106.04140'
    """
    return _architectures()[name].source


def build_model(config: ModelConfig, shape: InputShape, num_outputs: int) -> AudioModel:
    """Builds the network that the settings name.

    Args:
        config: Its settings.
        shape: Size of the windows.
        num_outputs: Logits a window.

    Raises:
        ConfigError: No such architecture, or its layers do not fit the windows.
    """
    return model_builder(config.name)(config, shape, num_outputs)


def model_builder(name: str) -> Builder:
    """The function that builds a registered architecture.

    Raises:
        ConfigError: No such architecture.
    """
    return _find(name).builder


def _find(name: str) -> _Architecture:
    found = _architectures().get(name)
    if found is None:
        known = ", ".join(list_models())
        raise ConfigError(f"model.name: no architecture {name!r}; choose one of {known}")
    return found


def refuse_unused(config: ModelConfig) -> None:
    """Checks that a new network uses every setting that is not at its default.

    Trained models are not checked: their settings may be older than the defaults.

    Args:
        config: Settings of the network.

    Raises:
        ConfigError: A setting that the architecture does not use differs from its default.
    """
    read = _find(config.name).settings
    for setting, field in ModelConfig.model_fields.items():
        if setting in ("name", *read) or getattr(config, setting) == field.default:
            continue
        readers = [name for name, one in _architectures().items() if setting in one.settings]
        raise ConfigError(
            f"model.{setting}: not used by {config.name}; leave it out, or set model.name to one "
            f"of {', '.join(sorted(readers))}"
        )
