"""What runs a network: the one interface between the classifier and PyTorch or ONNX Runtime."""

from typing import Protocol, runtime_checkable

import numpy as np

from earmark.system.shapes import Float32


@runtime_checkable
class Backend(Protocol):
    """Computes the logits of windows. Threads may share one.

    `earmark.inference.torch_backend.TorchBackend` and
    `earmark.inference.onnx_backend.OnnxBackend` implement it; so does any function of this
    signature.
    """

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows outputs"]:
        """Runs the network.

        Args:
            windows: Log-mel values in decibels, as `earmark.features.windows.cut_window` gives
                them.

        Returns:
            A row of logits for each window.
        """
        ...
