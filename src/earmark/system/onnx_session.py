"""Sessions of ONNX Runtime."""

import onnxruntime

from earmark.errors import CheckpointError
from earmark.system.parallel import default_num_workers


def start_session(
    content: bytes, source: str, num_threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Makes a graph ready to run.

    Args:
        content: The bytes of the file.
        source: The file, for messages.
        num_threads: By default as many as this process may use processors.

    Raises:
        CheckpointError: ONNX Runtime cannot run it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads or default_num_workers()
    # Threads that wait by spinning would take the processors from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its errors have no common base
        raise CheckpointError(
            f"{source}: not an ONNX model that runs here: {one_line(error)}"
        ) from None


def one_line(error: Exception) -> str:
    """The message of an error of ONNX Runtime, on one line."""
    return " ".join(str(error).split())
