"""Where an open model came from, so that other processes can open it too."""

from pathlib import Path
from typing import NamedTuple


class ModelOrigin(NamedTuple):
    """What `load_model` was given.

    Args:
        path: The file or folder.
        device: As for `load_model`.
        settings: As for `load_model`.
    """

    path: Path
    device: str
    settings: tuple[str, ...]
