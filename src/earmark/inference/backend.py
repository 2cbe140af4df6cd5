"""What runs a network: the one interface between the classifier and PyTorch or ONNX Runtime."""

from typing import Protocol, runtime_checkable

import numpy as np

from earmark.errors import CheckpointError
from earmark.models.spec import describe_not_finite
from earmark.system.shapes import Float, Float32


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


class FiniteBackend:
    """A backend that refuses logits that are not finite, so that no prediction comes from them.

    Args:
        backend: What computes the logits.
        name: The model, for messages.

    Example:
        >>> backend = FiniteBackend(lambda windows: windows.mean(axis=2)[:, :1], "run")
        >>> backend(np.zeros((1, 40, 51), np.float32))
        array([[0.]], dtype=float32)
    """

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float[np.ndarray, "windows outputs"]:
        """Logits of windows.

        Raises:
            CheckpointError: One is not finite.
        """
        logits = self._backend(windows)
        if not np.isfinite(logits).all():
            raise CheckpointError(describe_not_finite(self._name))
        return logits
