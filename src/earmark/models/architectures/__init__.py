"""Networks: log-mel windows in, logits out; one contract and one registry for all of them.

Importing any of them registers all of them.
"""

from earmark.models.architectures import audio_cnn, bc_resnet, cp_resnet

__all__ = ["audio_cnn", "bc_resnet", "cp_resnet"]
