"""A network in ONNX Runtime as a backend, without PyTorch.

Both graphs that earmark exports can be opened. Of the one that takes a waveform only the inner
network is used, so that every model shares one front end here and can predict from live sound.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from earmark.errors import CheckpointError, ConfigError, needs_extra
from earmark.inference.backend import Output
from earmark.models.spec import TESTED_DB, ModelSpec, describe_not_finite, read_spec
from earmark.system.onnx_session import one_line, start_session
from earmark.system.shapes import Float32

if TYPE_CHECKING:
    import onnx

WAVEFORM, LOG_MEL, LOGITS = "waveform", "log_mel", "logits"
"""Names in the graphs: input samples, input windows of the network, and its first output."""
EMBEDDING, NOVELTY = "embedding", "novelty"
"""Other outputs of the network; files of older versions lack both, models without a score one."""


class OnnxBackend:
    """Runs an ONNX graph from log-mel windows to logits; see `earmark.inference.backend.Backend`.

    Args:
        session: From `start_session`.
        source: The file, for messages.
    """

    def __init__(self, session: onnxruntime.InferenceSession, source: str) -> None:
        # What it returns depends on the graph.
        self._session: Any = session
        self._source = source
        self._outputs = [one.name for one in session.get_outputs()]
        first = next((one.shape[0] for one in session.get_inputs()), None)
        self._fixed_batch = first if isinstance(first, int) else None

    def __call__(
        self, windows: Float32[np.ndarray, "windows mels frames"]
    ) -> Float32[np.ndarray, "windows outputs"]:
        """Logits of windows.

        Raises:
            CheckpointError: ONNX Runtime cannot compute them.
        """
        return self.run(windows).logits

    def run(self, windows: Float32[np.ndarray, "windows mels frames"]) -> Output:
        """Logits, and embeddings and novelty where the graph has them.

        Raises:
            CheckpointError: ONNX Runtime cannot compute them.
        """
        values = self._run_batches(windows)
        found = dict(zip(self._outputs, values, strict=True))
        novelty = found.get(NOVELTY)
        return Output(
            found[LOGITS],
            found.get(EMBEDDING),
            None if novelty is None else novelty.astype(np.float64),
        )

    def _run_batches(self, windows: Float32[np.ndarray, "windows mels frames"]) -> list[Any]:
        """The outputs; a graph of fixed shapes gets as many windows at once as it takes."""
        size = self._fixed_batch or max(1, len(windows))
        found = []
        try:
            for start in range(0, max(1, len(windows)), size):
                batch = windows[start : start + size, None]
                missing = size - len(batch) if self._fixed_batch else 0
                filled = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="wrap")
                values = self._session.run(self._outputs, {LOG_MEL: filled})
                found.append([one[: len(batch)] for one in values])
        except Exception as error:  # noqa: BLE001 - its errors have no common base
            raise CheckpointError(f"{self._source}: cannot be run: {one_line(error)}") from None
        return found[0] if len(found) == 1 else [*map(np.concatenate, zip(*found, strict=True))]


def open_onnx(path: Path, device: str = "auto") -> tuple[ModelSpec, OnnxBackend]:
    """Opens an ``.onnx`` file that earmark wrote.

    Args:
        path: The model.
        device: ``auto`` or ``cpu``.

    Raises:
        CheckpointError: The file is missing, damaged or not earmark's.
        ConfigError: Another device is requested.
        MissingExtraError: The graph takes a waveform, and the extra ``onnx`` is not installed.
    """
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"--device {device}: an .onnx model runs on the CPU; use --device cpu, or the run "
            "folder that it was exported from"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    spec, backend = read_onnx(content, str(path))
    return spec.find_embedder(path), backend


def read_onnx(
    content: bytes, source: str, num_threads: int | None = None
) -> tuple[ModelSpec, OnnxBackend]:
    """The specification and the network of an exported model.

    Args:
        content: The bytes of the file.
        source: The file, for messages.
        num_threads: As for `start_session`.

    Raises:
        CheckpointError: The file is damaged or not earmark's, or gives logits that are not finite.
        MissingExtraError: The extra ``onnx`` is not installed.
    """
    session = start_session(content, source, num_threads)
    spec, _ = read_spec(session.get_modelmeta().custom_metadata_map, source)
    if WAVEFORM in [one.name for one in session.get_inputs()]:
        session = start_session(_inner_network(content, source), source, num_threads)
    _check_shapes(session, spec, source)
    backend = OnnxBackend(session, source)
    window = np.full((1, spec.config.features.n_mels, spec.window_frames), TESTED_DB, np.float32)
    if not np.isfinite(backend(window)).all():
        raise CheckpointError(describe_not_finite(source))
    return spec, backend


def _inner_network(content: bytes, source: str) -> bytes:
    """The part of a graph that takes log-mel windows."""
    with needs_extra(f"{source}: a graph that takes a waveform"):
        import onnx
    try:
        return extract_network(onnx.load_from_string(content)).SerializeToString()
    except Exception as error:  # noqa: BLE001 - the file is untrusted
        raise CheckpointError(
            f"{source}: contains no network of earmark's: {one_line(error)}"
        ) from None


def extract_network(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The part of a graph that takes log-mel windows, with all outputs that it has.

    Args:
        model: With or without front end and pooling.
    """
    import onnx.utils

    names = {one.name for one in (*model.graph.value_info, *model.graph.output)}
    more = [name for name in (EMBEDDING, NOVELTY) if name in names]
    return onnx.utils.Extractor(model).extract_model([LOG_MEL], [LOGITS, *more])


def _check_shapes(session: onnxruntime.InferenceSession, spec: ModelSpec, source: str) -> None:
    """Checks that the sizes of the graph are those of the specification.

    The specification knows how wide logits are, not how wide embeddings.
    """
    found = {one.name: one.shape[1:] for one in (*session.get_inputs(), *session.get_outputs())}
    windows = [1, spec.config.features.n_mels, spec.window_frames]
    expected = {LOG_MEL: windows, LOGITS: [spec.num_outputs]}
    if len(found.get(EMBEDDING, [])) == 1:
        expected[EMBEDDING] = found[EMBEDDING]
    if NOVELTY in found:
        expected[NOVELTY] = []
    if found != expected:
        raise CheckpointError(
            f"{source}: the graph has the shapes {found}, its settings require {expected}; export "
            "it again"
        )
