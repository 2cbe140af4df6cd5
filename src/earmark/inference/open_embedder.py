"""Opens what turns sound into vectors: a model of earmark's, or another ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from earmark.config import EmbedderConfig
from earmark.errors import CheckpointError, ConfigError
from earmark.features.embedder import (
    EmbedderRequest,
    EmbedderSession,
    inspect_embedder,
)
from earmark.inference.classifier import load_model
from earmark.inference.embedders import open_file_embedder
from earmark.inference.embedding import Embedder
from earmark.inference.onnx_backend import EMBEDDING
from earmark.models.pretrained import find_model
from earmark.models.run_folder import weights_file
from earmark.models.spec import METADATA_KEY, read_spec
from earmark.system.hashing import content_hash
from earmark.system.onnx_session import start_session

MODEL_PLACE = "model"
"""The fact that says where the model is; it may move without a change of its vectors."""


class Opened(NamedTuple):
    """An embedder, and what determines its vectors.

    Args:
        embedder: Ready to run.
        facts: JSON values with which `reopen` opens it again.
    """

    embedder: Embedder
    facts: dict[str, Any]


def open_model_embedder(
    model: Path | str,
    *,
    hop_seconds: float | None = None,
    device: str = "auto",
    settings: Sequence[str] = (),
) -> Opened:
    """The embeddings of a model of earmark's.

    Args:
        model: As for `earmark.load_model`.
        hop_seconds: As for `earmark.inference.classifier.Classifier.windows`.
        device: As for `earmark.load_model`.
        settings: As for `earmark.load_model`.

    Raises:
        CheckpointError: The model cannot be opened, or gives no embeddings.
        ConfigError: As `earmark.load_model`; or ``hop_seconds`` is not a positive number.
    """
    classifier = load_model(model, device=device, settings=settings)
    path = find_model(model)
    is_inside = path != Path(model)
    facts = {
        "kind": "model",
        MODEL_PLACE: str(model) if is_inside else str(path.absolute()),
        "digest": content_hash(weights_file(path)),
        "overlap": classifier.spec.config.predict.overlap,
        "hop_seconds": hop_seconds,
    }
    return Opened(classifier.embedder(hop_seconds), facts)


def open_other_embedder(request: EmbedderRequest, *, hop_seconds: float | None = None) -> Opened:
    """The vectors of an ONNX file.

    Args:
        request: The file.
        hop_seconds: From the start of one window to the start of the next; the length of a window
            if None.

    Raises:
        CheckpointError: As `inspect_embedder`.
        ConfigError: As `inspect_embedder`; or ``hop_seconds`` is not a positive number.
    """
    config = inspect_embedder(with_own_settings(request))
    facts = {
        "kind": "file",
        MODEL_PLACE: str(request.file.absolute()),
        "embedder": config.model_dump(mode="json", exclude={"file"}, exclude_none=True),
        "hop_seconds": hop_seconds,
    }
    session = EmbedderSession.open(config)
    return Opened(open_file_embedder(session, hop_seconds), facts)


def with_own_settings(request: EmbedderRequest) -> EmbedderRequest:
    """A request with the settings of a file that earmark exported; any other stays as it is.

    Raises:
        CheckpointError: The file cannot be read, or takes a waveform and so gives no embeddings.
    """
    path = request.file
    try:
        session = start_session(path.read_bytes(), str(path))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    metadata = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        return request
    if EMBEDDING not in [one.name for one in session.get_outputs()]:
        raise CheckpointError(
            f"{path}: a model of earmark's with its front end inside gives no embeddings; give it "
            "as MODEL, or export it with --input log-mel"
        )
    spec, _ = read_spec(metadata, str(path))
    return replace(request, features=spec.config.features, output=EMBEDDING)


def reopen(facts: Mapping[str, Any], model: Path | None = None, device: str = "auto") -> Embedder:
    """The embedder that made a table of vectors.

    Args:
        facts: From its metadata.
        model: Where the model is now, if it has moved.
        device: As for `earmark.load_model`.

    Raises:
        CheckpointError: It cannot be opened, or is another model.
        ConfigError: The table does not say what made it, and ``model`` is not given.
    """
    place = model or facts.get(MODEL_PLACE)
    if place is None:
        raise ConfigError("these vectors do not say what made them; give --model")
    hop_seconds = facts.get("hop_seconds")
    if facts.get("kind") == "file":
        stored = {**facts["embedder"], "file": str(place)}
        config = EmbedderConfig.model_validate(stored)
        return open_file_embedder(EmbedderSession.open(config), hop_seconds)
    overlap = facts.get("overlap")
    settings = () if overlap is None else (f"predict.overlap={overlap}",)
    opened = open_model_embedder(place, hop_seconds=hop_seconds, device=device, settings=settings)
    if facts.get("digest") not in (None, opened.facts["digest"]):
        raise CheckpointError(
            f"{place}: is not the model that made these vectors; give that one with --model"
        )
    return opened.embedder
