"""Models in buckets and on web servers: their files are copied before they are opened."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from earmark.errors import CheckpointError
from earmark.system.files import atomic_open
from earmark.system.remote.path import RemotePath, to_path
from earmark.system.remote.transport import Facts
from earmark.system.remote.urls import FOLDERLESS

MODEL_SUFFIXES = (".safetensors", ".onnx")
WEIGHTS = "best.safetensors"
"""The file with the model of a run folder."""
_RUN_FILES = frozenset(
    {"config.toml", "recordings.csv", "choices.json", "fingerprint.json", "naming.json"}
    | {"teachers.csv", "log.jsonl", "validation.csv"}
)
"""What a run folder has besides weights and reports."""


def local_model(model: Path) -> Path:
    """A model on the local disk.

    Of a remote one, the copy of each version has a folder of its own in the cache of remote files.
    It is reused until it was not used for the longest time.

    Args:
        model: Of a remote model, a run folder or a file; with the file comes what a run folder has
            beside it, where the server lists folders.

    Raises:
        CheckpointError: It is not there or cannot be read.
    """
    model = to_path(model)
    if not isinstance(model, RemotePath):
        return model
    try:
        return _copied(model)
    except FileNotFoundError:
        raise CheckpointError(
            f"{model}: no such model; give a run folder, or a .safetensors or .onnx file"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{model}: cannot be read: {error.strerror}") from None


def _copied(model: RemotePath) -> Path:
    is_file = model.suffix.lower() in MODEL_SUFFIXES
    lists_folders = model.address.scheme not in FOLDERLESS
    if not is_file and not lists_folders:
        raise CheckpointError(f"{model}: give the address of a .safetensors or .onnx file")
    folder = model.parent if is_file else model
    wanted = _RUN_FILES if is_file else _RUN_FILES | {WEIGHTS}
    files = [one for one in folder.iterdir() if one.name in wanted] if lists_folders else []
    if is_file:
        files = [model, *(one for one in files if one != model)]
    elif not any(one.name == WEIGHTS for one in files):
        raise FileNotFoundError
    place = _copy(folder, files)
    return place / model.name if is_file else place


def _copy(folder: RemotePath, files: Sequence[RemotePath]) -> Path:
    facts = [one.facts() for one in files]
    versions = [f"{one.name} {fact}" for one, fact in zip(files, facts, strict=True)]
    if any(fact.version is None for fact in facts):
        # It may change without notice.
        versions.append(os.urandom(8).hex())
    text = "\0".join((str(folder), *sorted(versions)))
    name = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    place = folder.settings.folder / "models" / name
    for one, fact in zip(files, facts, strict=True):
        _copy_file(one, fact, place / one.name)
    return place


def _copy_file(file: RemotePath, facts: Facts, place: Path) -> None:
    if not place.exists():
        with file.open("rb") as source, atomic_open(place) as target:
            shutil.copyfileobj(source, target)
        if file.facts() != facts:
            place.unlink()
            raise CheckpointError(f"{file}: changed while it was read; run the command again")
    os.utime(place)
