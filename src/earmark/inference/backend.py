"""What runs a network: the one interface between the classifier and PyTorch or ONNX Runtime."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from earmark.errors import CheckpointError
from earmark.models.spec import describe_not_finite
from earmark.system.shapes import Float, Float32, Float64


class Output(NamedTuple):
    """All that a model computes from windows.

    Args:
        logits: A row of logits for each window.
        embeddings: What the classifier of the network gets; None where the backend does not give
            it, as a plain function or a file of an older version.
        novelty: How unlike the sound of training each window is; None for models without a score.
    """

    logits: Float[np.ndarray, "windows outputs"]
    embeddings: Float32[np.ndarray, "windows channels"] | None = None
    novelty: Float64[np.ndarray, " windows"] | None = None


@runtime_checkable
class Backend(Protocol):
    """Computes the logits of windows. Threads may share one.

    A backend may also have a method ``run`` that returns an `Output`, as a `FullBackend` does.
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


@runtime_checkable
class FullBackend(Backend, Protocol):
    """A backend that also gives embeddings and novelty."""

    def run(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
        """Runs the network, as a call does."""
        ...


def run_backend(backend: Backend, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
    """All that a backend gives for windows.

    Args:
        backend: Any, also a plain function.
        windows: As for `Backend`.

    Example:
        >>> windows = np.zeros((1, 2, 51), np.float32)
        >>> run_backend(lambda windows: windows.mean(axis=2), windows).logits
        array([[0., 0.]], dtype=float32)
    """
    if isinstance(backend, FullBackend):
        return backend.run(windows)
    return Output(backend(windows))


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
        return self.run(windows).logits

    def run(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
        """Logits, embeddings and novelty of windows.

        Raises:
            CheckpointError: A logit is not finite.
        """
        output = run_backend(self._backend, windows)
        if not np.isfinite(output.logits).all():
            raise CheckpointError(describe_not_finite(self._name))
        return output
