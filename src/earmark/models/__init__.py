"""Networks: log-mel windows in, logits out; one contract and one registry for all of them."""

from earmark.models.audio_cnn import AudioCNN, ConvBlock, conv_output_size
from earmark.models.bc_resnet import BCResNet, BroadcastBlock
from earmark.models.cp_resnet import CPResNet, ResidualBlock
from earmark.models.norm import BandNorm, SubSpectralNorm
from earmark.models.registry import (
    AudioModel,
    InputShape,
    build_model,
    list_models,
    model_source,
    refuse_unread,
    register_model,
)
from earmark.models.summary import (
    LayerSummary,
    ModelSummary,
    count_parameters,
    describe_models,
    summarize,
)

__all__ = [
    "AudioCNN",
    "AudioModel",
    "BCResNet",
    "BandNorm",
    "BroadcastBlock",
    "CPResNet",
    "ConvBlock",
    "InputShape",
    "LayerSummary",
    "ModelSummary",
    "ResidualBlock",
    "SubSpectralNorm",
    "build_model",
    "conv_output_size",
    "count_parameters",
    "describe_models",
    "list_models",
    "model_source",
    "refuse_unread",
    "register_model",
    "summarize",
]
