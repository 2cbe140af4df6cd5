"""A network in PyTorch as a backend."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from earmark.models.checkpoint import load_checkpoint
from earmark.models.spec import ModelSpec
from earmark.system.runtime import pick_device, place
from earmark.system.shapes import Float32


class TorchBackend:
    """Runs a PyTorch network; see `earmark.inference.backend.Backend`.

    Args:
        network: It is moved to the device and put in evaluation mode.
        device: Where to compute.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = place(network, device).eval()
        self._device = device

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows outputs"]:
        """Logits of windows, on the CPU."""
        with torch.inference_mode():
            log_mel = torch.from_numpy(windows).unsqueeze(1).to(self._device)
            return self._network(log_mel).cpu().numpy()


def open_checkpoint(path: Path, device: str = "auto") -> tuple[ModelSpec, TorchBackend]:
    """Opens a run folder or a ``.safetensors`` file for prediction.

    Args:
        path: The model.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        CheckpointError: The model cannot be opened.
        ConfigError: The device is not available.
    """
    checkpoint = load_checkpoint(path)
    return checkpoint.spec, TorchBackend(checkpoint.build(), pick_device(device))
