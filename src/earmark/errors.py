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


class EarmarkError(Exception):
    """Base of the tree: the work failed for a reason that the user can act on."""

    exit_status = 1


class ConfigError(EarmarkError):
    """Wrong usage, setting or option."""

    exit_status = 2


class DataError(EarmarkError):
    """A manifest, folder or clip that cannot serve."""


class AudioError(DataError):
    """A file that cannot be decoded, or whose sound is no use."""


class StoreError(DataError):
    """A feature store that cannot be read or written."""


class CheckpointError(EarmarkError):
    """A model file that cannot be opened, or that does not fit its use."""


class TrainingError(EarmarkError):
    """Training cannot start or cannot go on."""


class ExportError(EarmarkError):
    """An exported model that does not say what the original says."""
