"""A network in PyTorch as a backend."""

from pathlib import Path

import numpy as np
import torch

from earmark.inference.backend import Output
from earmark.models.architectures.registry import AudioModel
from earmark.models.checkpoint import load_checkpoint
from earmark.models.spec import ModelSpec
from earmark.system.runtime import pick_device, place
from earmark.system.shapes import Float32
from earmark.tasks.novelty import Novelty


class TorchBackend:
    """Runs a PyTorch network; see `earmark.inference.backend.Backend`.

    Args:
        network: It is moved to the device and put in evaluation mode.
        device: Where to compute.
        novelty: Scores its embeddings, if the model has a score.
    """

    def __init__(
        self, network: AudioModel, device: torch.device, novelty: Novelty | None = None
    ) -> None:
        self._network = place(network, device).eval()
        self._device = device
        self._novelty = novelty

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows outputs"]:
        """Logits of windows, on the CPU."""
        return self.run(windows).logits

    def run(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
        """Logits, embeddings and novelty of windows, on the CPU."""
        with torch.inference_mode():
            log_mel = torch.from_numpy(windows).unsqueeze(1).to(self._device)
            embedding = self._network.forward_embedding(log_mel)
            logits = self._network.forward_head(embedding).cpu().numpy()
        embeddings = embedding.cpu().numpy()
        score = None if self._novelty is None else self._novelty.score(embeddings, logits)
        return Output(logits, embeddings, score)


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
    backend = TorchBackend(checkpoint.build(), pick_device(device), checkpoint.novelty)
    return checkpoint.spec, backend
