"""Every error that earmark raises on purpose.

::

    EarmarkError
    ├── ConfigError        wrong usage, setting or option              exit status 2
    ├── DataError          a manifest, folder or clip that cannot serve
    │   ├── AudioError     a file that cannot be decoded or is no use
    │   └── StoreError     a feature store that cannot be read or written
    ├── CheckpointError    a model file that cannot be opened or does not fit
    ├── TrainingError      training cannot start or cannot go on
    └── ExportError        an exported model that does not say what the original says

Each message is one line: what, where, and how to mend it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


class EarmarkError(Exception):
    """Base of the tree: the work failed for a reason that the user can act on."""

    exit_status = 1


class ConfigError(EarmarkError):
    """Wrong usage, setting or option."""

    exit_status = 2


class DataError(EarmarkError):
    """A manifest, folder or clip that cannot serve."""


AudioFault = Literal[
    "missing", "empty", "undecodable", "damaged", "truncated", "short", "not_finite", "header"
]
"""What is the matter with a file, for programs."""


class AudioError(DataError):
    """A file that cannot be decoded, or whose sound is no use.

    Args:
        message: One line for people.
        fault: One word for programs.
    """

    def __init__(self, message: str, fault: AudioFault = "undecodable") -> None:
        super().__init__(message)
        self.fault: AudioFault = fault


@dataclass(frozen=True)
class FailedFile:
    """One of many files that could not be used; the work went on without it.

    Args:
        path: The file, or the name of a recording in a manifest.
        error: One line for people.
    """

    path: Path | str
    error: str

    def to_dict(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        return {"path": str(self.path), "error": self.error}


class StoreError(DataError):
    """A feature store that cannot be read or written."""


class CheckpointError(EarmarkError):
    """A model file that cannot be opened, or that does not fit its use."""


class TrainingError(EarmarkError):
    """Training cannot start or cannot go on."""


class ExportError(EarmarkError):
    """An exported model that does not say what the original says."""
