"""Models by name: those inside the package, and those of the user."""

from pathlib import Path

from earmark.errors import CheckpointError
from earmark.models.remote_model import local_model
from earmark.system.remote.path import RemotePath, to_path

MODELS = Path(__file__).parents[1] / "model_data"


def pretrained_models() -> dict[str, Path]:
    """The models inside the package: name to file."""
    return {path.stem: path for path in sorted(MODELS.glob("*.onnx"))}


def find_model(model: Path | str) -> Path:
    """The file or folder of a model.

    Args:
        model: A run folder, a model file, or the name of a model inside the package. Of a remote
            one, the local copy is returned.

    Raises:
        CheckpointError: There is none; or the name is that of a model inside the package as well
            as of a file or folder here.
    """
    path, pretrained = to_path(model), pretrained_models()
    if isinstance(path, RemotePath):
        return local_model(path)
    inside = pretrained.get(str(model))
    if inside is None and not path.exists():
        raise CheckpointError(
            f"{model}: no such model; give a run folder, a .safetensors or .onnx file, or a model "
            f"inside the package: {', '.join(pretrained) or 'this earmark has none'}"
        )
    if inside is not None and path.exists():
        raise CheckpointError(
            f"{model}: the name of a model inside the package and of a file or folder here; write "
            f"{path.absolute()} for the one here, or rename it"
        )
    return inside or path
