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

from typing import Literal


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


class StoreError(DataError):
    """A feature store that cannot be read or written."""


class CheckpointError(EarmarkError):
    """A model file that cannot be opened, or that does not fit its use."""


class TrainingError(EarmarkError):
    """Training cannot start or cannot go on."""


class ExportError(EarmarkError):
    """An exported model that does not say what the original says."""
