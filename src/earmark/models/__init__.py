"""Networks: log-mel windows in, logits out; one contract and one registry for all of them."""

from earmark.models.audio_cnn import AudioCNN, ConvBlock, conv_output_size
from earmark.models.norm import BandNorm
from earmark.models.registry import AudioModel, InputShape, build_model, list_models, register_model
from earmark.models.summary import LayerSummary, count_parameters, summarize

__all__ = [
    "AudioCNN",
    "AudioModel",
    "BandNorm",
    "ConvBlock",
    "InputShape",
    "LayerSummary",
    "build_model",
    "conv_output_size",
    "count_parameters",
    "list_models",
    "register_model",
    "summarize",
]
