"""The models that come with the package, by name."""

from pathlib import Path

from earmark.errors import CheckpointError

FOLDER = Path(__file__).parent / "ready_models"


def ready_models() -> dict[str, Path]:
    """The models inside the package: name to file."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.onnx"))}


def find_model(model: Path | str) -> Path:
    """The file or folder that a model's name stands for.

    Args:
        model: A run folder, a model file, or the name of a model inside the package.

    Raises:
        CheckpointError: There is none; or the name stands for a model inside the package as well as
            for a file or folder here.
    """
    path, ready = Path(model), ready_models()
    inside = ready.get(str(model))
    if inside is None and not path.exists():
        raise CheckpointError(
            f"{model}: no such model; give a run folder, a .safetensors or .onnx file, or a model "
            f"inside the package: {', '.join(ready) or 'this earmark has none'}"
        )
    if inside is not None and path.exists():
        raise CheckpointError(
            f"{model}: a model inside the package and also a file or folder here; write "
            f"{path.absolute()} for the one here, or rename it"
        )
    return inside or path
