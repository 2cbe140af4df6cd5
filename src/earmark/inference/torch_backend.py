"""A network in PyTorch, ready to judge windows."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from earmark.features.windows import WindowLogits
from earmark.models.checkpoint import load_checkpoint
from earmark.models.spec import ModelSpec
from earmark.system.runtime import pick_device, place
from earmark.system.shapes import Float32


def open_checkpoint(path: Path, device: str = "auto") -> tuple[ModelSpec, WindowLogits]:
    """Opens a run folder or a ``.safetensors`` file for use.

    Args:
        path: The model.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        CheckpointError: It cannot be opened.
        ConfigError: The device is not at hand.
    """
    checkpoint = load_checkpoint(path)
    return checkpoint.spec, window_logits(checkpoint.build(), pick_device(device))


def window_logits(network: nn.Module, device: torch.device) -> WindowLogits:
    """What judges windows by a network.

    Args:
        network: It is moved to the device and put in evaluation mode.
        device: Where to compute.
    """
    placed = place(network, device).eval()

    def judge(
        windows: Float32[np.ndarray, "windows mels frames"],
    ) -> Float32[np.ndarray, "windows outputs"]:
        with torch.inference_mode():
            log_mel = torch.from_numpy(windows).unsqueeze(1).to(device)
            return placed(log_mel).cpu().numpy()

    return judge
