"""The file of an embedder: an ONNX file of its own, or an exported model that holds it."""

from pathlib import Path
from typing import NamedTuple

from earmark.config import EmbedderConfig
from earmark.errors import CheckpointError, needs_extra
from earmark.system.hashing import content_hash

INNER_INPUT, INNER_OUTPUT = "embedder_input", "embedder_output"
"""Names, in an exported model, of the windows that its embedder gets, and of its vectors."""


class EmbedderFile(NamedTuple):
    """A graph from windows to vectors.

    Args:
        content: The bytes of an ONNX file.
        config: What it takes and gives, with the names of this graph.
    """

    content: bytes
    config: EmbedderConfig


def read_embedder(config: EmbedderConfig) -> EmbedderFile:
    """The graph of an embedder that was inspected before.

    Args:
        config: What it takes and gives.

    Raises:
        CheckpointError: Its file is missing, or is not the same any more.
        MissingExtraError: An exported model holds it, and the extra ``onnx`` is not installed.
    """
    path = Path(config.file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path}: embedder: cannot be read: {error.strerror}; put it there, or beside the model"
        ) from None
    if content_hash(path) == config.digest:
        return EmbedderFile(content, config)
    inner = _extract(content, config)
    if inner is None:
        raise CheckpointError(
            f"{path}: is not the embedder that was used before; put that back, or start anew"
        )
    names = {"input": INNER_INPUT, "output": INNER_OUTPUT}
    return EmbedderFile(inner, config.model_copy(update=names))


def _extract(content: bytes, config: EmbedderConfig) -> bytes | None:
    """The embedder inside an exported model; None if there is none, or another one."""
    with needs_extra(f"{config.file}: the embedder of an exported model"):
        import onnx
        import onnx.utils
    try:
        model = onnx.load_from_string(content)
        is_ours = any(config.digest in one.value for one in model.metadata_props)
        if not is_ours or INNER_OUTPUT not in [one.name for one in model.graph.value_info]:
            return None
        extractor = onnx.utils.Extractor(model)
        return extractor.extract_model([INNER_INPUT], [INNER_OUTPUT]).SerializeToString()
    except Exception:  # noqa: BLE001 - the file is untrusted
        return None
