"""Every error that earmark raises on purpose.

::

    EarmarkError
    ├── ConfigError             wrong usage, setting or option; exit status 2
    │   └── MissingExtraError   a package that only an extra installs is missing
    ├── DataError               a manifest, folder or clip that cannot be used
    │   ├── AudioError          a file that cannot be decoded, or whose sound is unusable
    │   │   └── RemoteError     a file that its server does not send; an OSError, too
    │   └── StoreError          a feature store that cannot be read or written
    ├── CheckpointError         a model file that cannot be opened or does not fit
    ├── TrainingError           training cannot start or continue
    └── ExportError             an exported model whose outputs differ from the original's

Each message is one line: what, where, and how to fix it.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

EXTRAS = {
    "cycler": ("Matplotlib", "train"),
    "fastapi": ("FastAPI", "serve"),
    "fsspec": ("fsspec", "remote"),
    "jinja2": ("Jinja2", "train"),
    "loky": ("loky", "train"),
    "markupsafe": ("Jinja2", "train"),
    "matplotlib": ("Matplotlib", "train"),
    "onnx": ("ONNX", "onnx"),
    "onnxscript": ("ONNX Script", "onnx"),
    "optuna": ("Optuna", "tune"),
    "paho": ("Paho MQTT", "mqtt"),
    "psycopg": ("Psycopg", "postgresql"),
    "prometheus_client": ("the Prometheus client", "serve"),
    "pyarrow": ("PyArrow", "parquet"),
    "ray": ("Ray", "ray"),
    "safetensors": ("safetensors", "train"),
    "scipy": ("SciPy", "train"),
    "sklearn": ("scikit-learn", "train"),
    "sounddevice": ("sounddevice", "mic"),
    "sqlalchemy": ("SQLAlchemy", "tune"),
    "starlette": ("Starlette", "serve"),
    "threadpoolctl": ("threadpoolctl", "train"),
    "torch": ("PyTorch", "train"),
    "uvicorn": ("Uvicorn", "serve"),
}
"""Modules that are not always installed: the package that brings each, and its extra."""

_EXTRA_OF_VERB = {"export": "onnx", "tune": "tune"}
"""Verbs that need another extra, which installs `train` as well."""


class EarmarkError(Exception):
    """Base of the tree: the work failed for a reason that the user can act on.

    Example:
        >>> import earmark
        >>> try:
        ...     earmark.load_config(settings=["train.epoch=5"])
        ... except earmark.EarmarkError as error:
        ...     print(type(error).__name__, error.exit_status)
        ConfigError 2
    """

    exit_status = 1


class ConfigError(EarmarkError):
    """Wrong usage, setting or option."""

    exit_status = 2


class MissingExtraError(ConfigError):
    """A package that only an extra of earmark installs is missing.

    Args:
        user: What needs the package: a verb, or a file.
        package: The package's import name, one of `EXTRAS`.

    Example:
        >>> print(MissingExtraError("tune", "optuna"))
        tune needs Optuna: pip install 'earmark[tune]'
    """

    def __init__(self, user: str, package: str) -> None:
        name, extra = EXTRAS[package]
        if extra == "train":
            extra = _EXTRA_OF_VERB.get(user, extra)
        super().__init__(f"{user} needs {name}: pip install 'earmark[{extra}]'")
        self.user, self.package, self.extra = user, package, extra

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str]]:
        return type(self), (self.user, self.package)


@contextmanager
def needs_extra(user: str) -> Iterator[None]:
    """Reports an import that fails for want of an extra as a `MissingExtraError`.

    Args:
        user: What needs the packages that are imported inside: a verb, or a file.

    Raises:
        MissingExtraError: A package of `EXTRAS` is missing.

    Example:
        >>> with needs_extra("export"):
        ...     raise ModuleNotFoundError(name="onnxscript")
        Traceback (most recent call last):
        earmark.errors.MissingExtraError: export needs ONNX Script: pip install 'earmark[onnx]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtraError(user, package) from error


class DataError(EarmarkError):
    """A manifest, folder or clip that cannot be used.

    Args:
        message: One line for people.
        options: Options with which the same command should work; empty if none are known.
    """

    def __init__(self, message: str, options: str = "") -> None:
        super().__init__(message)
        self.options = options


AudioFault = Literal[
    "missing", "empty", "undecodable", "damaged", "truncated", "short", "not_finite", "header",
    "changed", "scale", "channel", "limit", "crashed", "timeout", "memory",
]  # fmt: skip
"""What is wrong with a file, for programs. ``limit``: it holds more than is allowed. The last three
are what decoding it did to its worker process: it died, was silent for too long or took too much
memory."""


class AudioError(DataError):
    """A file that cannot be decoded, or whose sound is unusable.

    Args:
        message: One line for people.
        fault: One word for programs.

    Example:
        >>> AudioError("a.wav: the file is empty", "empty").fault
        'empty'
    """

    def __init__(self, message: str, fault: AudioFault = "undecodable") -> None:
        super().__init__(message)
        self.fault: AudioFault = fault


class RemoteError(AudioError, OSError):
    """A remote file that cannot be read, for a reason other than that it is not there.

    Args:
        message: One line that names the file.
        reason: The end of that line, without the file.

    Example:
        >>> error = RemoteError("s3://b/a.wav: cannot be read: no answer", "no answer")
        >>> error.fault, isinstance(error, OSError)
        ('missing', True)
    """

    def __init__(self, message: str, reason: str) -> None:
        AudioError.__init__(self, message, "missing")
        self.errno, self.strerror = errno.EIO, reason

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type["RemoteError"], tuple[str, str]]:
        return type(self), (str(self), self.strerror or "")


@dataclass(frozen=True)
class FailedFile:
    """One of many files that could not be used; the work continued without it.

    Args:
        path: The file, or the name of a recording in a manifest.
        error: One line for people.
        fault: One word for programs, where it is known.

    Example:
        >>> FailedFile("a.wav", "a.wav: the file is empty").to_dict()
        {'path': 'a.wav', 'error': 'a.wav: the file is empty'}
    """

    path: Path | str
    error: str
    fault: AudioFault | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        return {"path": str(self.path), "error": self.error}


class StoreError(DataError):
    """A feature store that cannot be read or written."""


class CheckpointError(EarmarkError):
    """A model file that cannot be opened, or that does not fit its use."""


class TrainingError(EarmarkError):
    """Training cannot start or continue."""


class ExportError(EarmarkError):
    """An exported model whose outputs differ from the original's."""
