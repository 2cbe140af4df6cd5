"""A linear classifier of the mean over time: for the vectors of an embedder, or as a baseline."""

from torch import Tensor, nn

from earmark.config import ModelConfig
from earmark.models.architectures.norm import BandNorm
from earmark.models.architectures.registry import AudioModel, InputShape, register_model
from earmark.system.shapes import Float


class LinearModel(AudioModel):
    """Standardised bands, their mean over the frames, dropout and a linear layer.

    Args:
        shape: Size of the windows.
        dropout: Dropout probability before the linear layer.
        num_outputs: Logits a window.

    Example:
        >>> import torch
        >>> LinearModel(InputShape(1024, 1), 0.5, 10)(torch.zeros(2, 1, 1024, 1)).shape
        torch.Size([2, 10])
    """

    def __init__(self, shape: InputShape, dropout: float, num_outputs: int) -> None:
        super().__init__()
        self.input_norm = BandNorm(shape.n_mels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(shape.n_mels, num_outputs)

    def forward_features(
        self, log_mel: Float[Tensor, "batch 1 mels frames"]
    ) -> Float[Tensor, "batch mels 1 frames"]:
        """The standardised bands, each a channel.

        Args:
            log_mel: Log-mel band energies in decibels, or vectors.
        """
        return self.input_norm(log_mel).transpose(1, 2)


@register_model(
    "linear",
    settings=("dropout",),
    source="Alain and Bengio 2016, arXiv:1610.01644",
)
def build_linear(config: ModelConfig, shape: InputShape, num_outputs: int) -> LinearModel:
    """Builds the network from its settings."""
    return LinearModel(shape, config.dropout, num_outputs)
