"""What comes with the package: the data of the demonstration, and models by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from earmark.errors import CheckpointError

MODELS = Path(__file__).parents[1] / "model_data"


@contextmanager
def demo_data() -> Iterator[Path]:
    """The folder of the demonstration's data: 130 clips of speech and music with their licences."""
    with as_file(files("earmark") / "demo_data") as folder:
        yield folder


def pretrained_models() -> dict[str, Path]:
    """The models inside the package: name to file."""
    return {path.stem: path for path in sorted(MODELS.glob("*.onnx"))}


def find_model(model: Path | str) -> Path:
    """The file or folder that a model's name stands for.

    Args:
        model: A run folder, a model file, or the name of a model inside the package.

    Raises:
        CheckpointError: There is none; or the name stands for a model inside the package as well as
            for a file or folder here.
    """
    path, shipped = Path(model), pretrained_models()
    inside = shipped.get(str(model))
    if inside is None and not path.exists():
        raise CheckpointError(
            f"{model}: no such model; give a run folder, a .safetensors or .onnx file, or a model "
            f"inside the package: {', '.join(shipped) or 'this earmark has none'}"
        )
    if inside is not None and path.exists():
        raise CheckpointError(
            f"{model}: a model inside the package and also a file or folder here; write "
            f"{path.absolute()} for the one here, or rename it"
        )
    return inside or path
